#ifndef NACRE_DEVICES_VIRTIO_GPU_GPU_DEVICE_H_
#define NACRE_DEVICES_VIRTIO_GPU_GPU_DEVICE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log_limiter.h"
#include "base/page_size.h"
#include "devices/virtio/virtio_device.h"
#include "devices/virtio_gpu/blob_window.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/display/sink.h"
#include "devices/virtio_gpu/limits.h"
#include "devices/virtio_gpu/stats.h"

namespace nacre::virtio_gpu {

class Session;

// The virtio-gpu device (virtio 1.3, 5.7). It executes 2D, scanout, blob and
// context commands itself and hands rendering to the context types it was
// given; it knows none of them.
//
// Hosts with pages above 4 KiB (arm64 has kernels with 16 and 64 KiB) can map a
// blob only as whole pages of theirs, at multiples of one. So the device offers
// BLOB_ALIGNMENT (virtio 1.4, Linux 7.2), and it refuses blobs of the host and
// places in the window that do not fit, with INVALID_PARAMETER and a count in
// Stats::misaligned_blobs: no way to map them would show the guest its own
// bytes and nobody else's. What to run there is a guest whose kernel has pages
// of at least the host's size. It never asks for anything else, whether or not
// it knows the feature. A guest with smaller pages boots and has a 2D display,
// but Mesa gets no buffers: its virtio driver (25.0) asks for sizes and GPU
// addresses by the guest's page and knows no other granule, and the host's msm
// driver takes addresses by its own.
//
// Trusts its driver with nothing: whatever a guest sends ends in an error
// response and a counter, or in NEEDS_RESET where the ring itself is broken.
//
// Threads: between Activate and Reset one thread executes commands and one
// stands by in case that a call of a context blocks it; while calls do, there
// are more of them, Relay::kMaxThreads at most. One more watches fence fds (see
// session.h). The methods here are for the transport, one at a time; stats()
// for anyone.
class VirtioGpu : public virtio::VirtioDevice {
 public:
  struct Config {
    // 0 is a render-only device, which Linux accepts from 6.12 on.
    uint32_t num_scanouts = 1;  // At most 16.
    uint32_t width = 1280;      // Preferred mode of each scanout, in pixels:
    uint32_t height = 800;      // 1..4095, as an EDID can say.
    // Size of the host-visible window that blobs are mapped into: a power of
    // two of at least a page, or 0 for none. Address space, not memory.
    // Memory enough for the guest to touch where nothing is mapped comes on
    // top of guest RAM.
    uint64_t window_bytes = uint64_t{1} << 30;
    // The host's or, for tests, a larger power of two up to 2 GiB.
    uint64_t page_size = HostPageSize();
    Limits limits;
  };

  // `context_types` are in the order of GET_CAPSET_INFO; with none the device
  // offers no 3D. `window` is null for one in this process, of window_bytes.
  // Errors: InvalidArgument for a config beyond the above, no sink, or capset
  // ids that are out of range or not unique; the errno of reserving the window.
  static absl::StatusOr<std::unique_ptr<VirtioGpu>> Create(
      const Config& config,
      std::vector<std::unique_ptr<ContextType>> context_types,
      std::unique_ptr<DisplaySink> sink,
      std::unique_ptr<BlobWindow> window = nullptr);

  ~VirtioGpu() override;

  // Lives as long as the device.
  const Stats& stats() const { return stats_; }

  uint16_t device_id() const override;
  // VIRGL and CONTEXT_INIT where there are context types, EDID where there are
  // scanouts, RESOURCE_UUID, RESOURCE_BLOB, and BLOB_ALIGNMENT where the host's
  // pages are not the smallest that guests have.
  uint64_t device_features() const override;
  // Refuses CONTEXT_INIT without VIRGL, and BLOB_ALIGNMENT without
  // RESOURCE_BLOB (5.7.3).
  bool AcceptsFeatures(uint64_t driver_features) const override;
  std::span<const uint16_t> max_queue_sizes() const override;
  std::vector<virtio::SharedMemoryRegion> shared_memory_regions() override;
  void ReadConfig(uint64_t offset, std::span<uint8_t> data) override;
  void WriteConfig(uint64_t offset, std::span<const uint8_t> data) override;
  // Errors: InvalidArgument where the control queue is missing; the errno of
  // what the threads need; of emptying the window, which still shows what the
  // driver before this one had mapped.
  absl::Status Activate(virtio::Activation activation) override;
  // Contexts, resources, mappings and pending fences are gone afterwards. Waits
  // for calls into contexts that are under way, which it cancels, not for the
  // GPU.
  void Reset() override;

 private:
  VirtioGpu(const Config& config,
            std::vector<std::unique_ptr<ContextType>> context_types,
            std::unique_ptr<DisplaySink> sink,
            std::unique_ptr<BlobWindow> window);

  // An error where the window still shows the guest's buffers.
  absl::Status End();

  const Config config_;
  const std::vector<std::unique_ptr<ContextType>> context_types_;
  const std::unique_ptr<DisplaySink> sink_;
  Stats stats_;
  // For the device's life: a guest may reset it without end.
  LogLimiter log_limiter_;
  // The rest is the active session's while there is one.
  const std::unique_ptr<BlobWindow> window_;
  std::unique_ptr<Session> session_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_GPU_DEVICE_H_
