#include "nacre/stress/remote_gpu.h"

#include <chrono>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "devices/virtio/remote/channel.h"
#include "devices/virtio_gpu/host_visible_window.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"
#include "nacre/remote_window.h"

namespace nacre {

using virtio::Channel;

RemoteGpu::RemoteGpu(LocalGpu::Options options) {
  services_.emplace(
      *virtio_gpu::HostVisibleWindow::Create(options.window_bytes, {}), "");
  auto [control, remote_control] = *Channel::CreatePair();
  auto [services, remote_services] = *Channel::CreatePair();
  client_ = std::make_unique<virtio::ServiceClient>(std::move(remote_services));
  options.window = std::make_unique<RemoteWindow>(client_.get());
  server_ = std::make_unique<virtio::DeviceServer>(
      std::move(remote_control), client_.get(),
      virtio::DeviceServer::Config{
          .make = [this, &options](absl::string_view)
              -> absl::StatusOr<virtio::VirtioDevice*> {
            local_.emplace(std::move(options));
            return &local_->device();
          },
          .counters =
              [this] {
                return std::to_string(local_->stats().total_commands());
              },
          .counters_interval = std::chrono::milliseconds(10)});
  server_thread_ = std::thread([this] { served_ = server_->Serve(); });
  // Which has the device made before it returns.
  remote_ = *virtio::RemoteDevice::Create(
      std::move(control), std::move(services), &*services_,
      {.configuration = "",
       .regions = {{virtio_gpu::wire::kShmIdHostVisible, services_->window()}},
       // Nobody's, but for the busiest machine's.
       .reply_limit = std::chrono::minutes(5),
       .on_lost = [](const auto& loss) { LOG(FATAL) << loss.why; }});
}

RemoteGpu::~RemoteGpu() {
  remote_.reset();
  server_thread_.join();
  CHECK(served_.ok()) << served_;
}

}  // namespace nacre
