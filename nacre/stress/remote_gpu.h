#ifndef NACRE_NACRE_STRESS_REMOTE_GPU_H_
#define NACRE_NACRE_STRESS_REMOTE_GPU_H_

#include <memory>
#include <optional>
#include <thread>

#include "absl/status/status.h"
#include "devices/virtio/remote/device_server.h"
#include "devices/virtio/remote/remote_device.h"
#include "devices/virtio/remote/service_client.h"
#include "nacre/gpu_services.h"
#include "nacre/stress/local_gpu.h"

namespace nacre {

// A LocalGpu behind sockets, as a JailedGpu has it, but served by a thread of
// this process: so that what sees only one process sees both ends.
class RemoteGpu {
 public:
  explicit RemoteGpu(LocalGpu::Options options);
  // CHECKs that the device was not lost.
  ~RemoteGpu();
  RemoteGpu(const RemoteGpu&) = delete;
  RemoteGpu& operator=(const RemoteGpu&) = delete;

  virtio::RemoteDevice& device() { return *remote_; }
  // What is at the other end.
  const LocalGpu& local() const { return *local_; }

 private:
  std::optional<GpuServices> services_;
  std::unique_ptr<virtio::ServiceClient> client_;
  std::optional<LocalGpu> local_;  // The server's thread makes it.
  std::unique_ptr<virtio::DeviceServer> server_;
  absl::Status served_;
  std::thread server_thread_;
  std::unique_ptr<virtio::RemoteDevice> remote_;
};

}  // namespace nacre

#endif  // NACRE_NACRE_STRESS_REMOTE_GPU_H_
