#ifndef NACRE_DEVICES_VIRTIO_GPU_TESTING_GPU_DRIVER_H_
#define NACRE_DEVICES_VIRTIO_GPU_TESTING_GPU_DRIVER_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio/testing/fake_driver.h"
#include "devices/virtio_gpu/display/headless_sink.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

// A VirtioGpu over a FakeGpu and a headless sink, and a guest driver that talks
// to it through real queues in real guest memory. One test thread.
class GpuDriver {
 public:
  // Small enough to test at their edge.
  static VirtioGpu::Config DefaultConfig();

  explicit GpuDriver(const VirtioGpu::Config& config = DefaultConfig(),
                     const virtio::FakeDriver::Options& options =
                         virtio::FakeDriver::Options());

  virtio::FakeDriver& driver() { return *driver_; }
  FakeGpu& gpu() { return gpu_; }
  VirtioGpu& device() { return *device_; }
  const HeadlessSink& sink() const { return *sink_; }
  const Stats& stats() const { return device_->stats(); }
  uint8_t* window() { return device_->shared_memory_regions()[0].host.data(); }

  // The response's type. CHECKs that its header echoes the request's.
  wire::Type Call(const Request& request);
  // The whole response, with a body of type T.
  template <WireType T>
  T CallFor(const Request& request, wire::Type expected) {
    const std::vector<uint8_t> bytes =
        CallBytes(request, sizeof(wire::CtrlHeader) + sizeof(T));
    ByteReader reader(bytes);
    const auto header = reader.ReadZeroExtended<wire::CtrlHeader>();
    CheckType(expected, static_cast<wire::Type>(header.type));
    return reader.ReadZeroExtended<T>();
  }
  std::vector<uint8_t> CallBytes(const Request& request, uint32_t room);

  // Queues a request with room for a header, without a kick. Returns its head.
  uint16_t Submit(const Request& request);
  void Kick() { driver_->Kick(wire::kControlQueue); }
  // Submits, kicks, and leaves the answer for WaitFenceId.
  void Start(const Request& request);
  // The fence_id of the next response to arrive. CHECKs that it has one.
  uint64_t WaitFenceId();
  // Responses that have arrived and not been taken.
  bool Idle();

  // A context of FakeGpu's kind that works. CHECKs.
  void CreateContext(uint32_t ctx_id);
  void CreateHostBlob(uint32_t ctx_id, uint32_t resource_id, uint64_t size);
  // Gives `ctx_id` work to do on `ring`, with a fence on it.
  Request Work(uint32_t ctx_id, uint8_t ring, uint64_t fence_id);

 private:
  static void CheckType(wire::Type expected, wire::Type found);

  FakeGpu gpu_;
  HeadlessSink* sink_;
  std::unique_ptr<VirtioGpu> device_;
  std::unique_ptr<virtio::FakeDriver> driver_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_TESTING_GPU_DRIVER_H_
