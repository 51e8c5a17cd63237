#include "nacre/gpu_process.h"

#include <unistd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/status_macros.h"
#include "devices/virtio/remote/channel.h"
#include "devices/virtio/remote/device_server.h"
#include "devices/virtio/remote/messages.h"
#include "devices/virtio/remote/service_client.h"
#include "devices/virtio_gpu/msm/libdrm_device.h"
#include "glog/logging.h"
#include "nacre/gpu.h"
#include "nacre/jail/confine.h"
#include "nacre/jail/process.h"
#include "nacre/remote_window.h"
#include "proto/gpu_process.pb.h"

namespace nacre {
namespace {

constexpr char kArgument[] = "--gpu-process=";
constexpr char kNamespaces[] = "namespaces,";
constexpr char kRenderNode[] = "render-node,";

constexpr int kControlFd = jail::Process::kFirstFd;
constexpr int kServicesFd = kControlFd + 1;

// In a signal handler.
void ReportRefusedCall(int number, uint32_t architecture) {
  struct {
    virtio::MessageHeader header;
    virtio::RefusedCallBody body;
  } const message = {{.type = virtio::MessageType::kRefusedCall, .code = 0},
                     {.number = number, .architecture = architecture}};
  static_assert(sizeof(message) ==
                sizeof(message.header) + sizeof(message.body));
  [[maybe_unused]] const ssize_t written =
      write(kServicesFd, &message, sizeof(message));
}

// The device and what it is made of, which comes by message.
class GpuHolder {
 public:
  GpuHolder(absl::Status confined, virtio::ServiceClient* services)
      : confined_(std::move(confined)), services_(services) {}

  absl::StatusOr<virtio::VirtioDevice*> Make(absl::string_view configuration) {
    RETURN_IF_ERROR(confined_);
    GpuProcess process;
    if (!process.ParseFromArray(configuration.data(),
                                static_cast<int>(configuration.size()))) {
      return absl::InvalidArgumentError("a configuration that does not parse");
    }
    ASSIGN_OR_RETURN(
        stack_, GpuStack::Create(
                    process.gpu(),
                    {.open_node = [this] { return services_->OpenNode(); },
                     .window = std::make_unique<RemoteWindow>(services_),
                     .guests_always_cached = process.guests_always_cached()}));
    return &stack_->device();
  }

  std::string Counters() const {
    std::string counters = stack_->Summary().SerializeAsString();
    if (counters.size() > virtio::kMaxCountersBytes) counters.clear();
    return counters;
  }

 private:
  const absl::Status confined_;
  virtio::ServiceClient* const services_;
  std::unique_ptr<GpuStack> stack_;
};

}  // namespace

std::string GpuProcessArgument(const GpuProcessOptions& options) {
  return absl::StrCat(kArgument, options.namespaces ? kNamespaces : "",
                      options.render_node ? kRenderNode : "");
}

std::optional<GpuProcessOptions> ParseGpuProcessArgument(
    const std::string& argument) {
  if (!absl::StartsWith(argument, kArgument)) return std::nullopt;
  return GpuProcessOptions{
      .namespaces = absl::StrContains(argument, kNamespaces),
      .render_node = absl::StrContains(argument, kRenderNode)};
}

std::span<const uint32_t> IoctlsOf(const GpuProcessOptions& options) {
  if (!options.render_node) return {};
  return msm::kLibdrmIoctls;
}

void RunGpuProcess(const GpuProcessOptions& options) {
  virtio::Channel control{Fd(kControlFd)};
  virtio::ServiceClient services{virtio::Channel(Fd(kServicesFd))};
  // A failure is told to who asked for the device.
  GpuHolder holder(jail::Confine({.namespaces = options.namespaces,
                                  .ioctls = IoctlsOf(options),
                                  .report = ReportRefusedCall}),
                   &services);
  virtio::DeviceServer server(
      std::move(control), &services,
      {.make = [&holder](absl::string_view c) { return holder.Make(c); },
       .counters = [&holder] { return holder.Counters(); }});
  const absl::Status served = server.Serve();
  LOG_IF(ERROR, !served.ok()) << "the GPU's process: " << served;
  // While its channels are open, whose end would have the VMM kill it and see
  // no exit code. Without the handlers of exit(3): LeakSanitizer's cannot work
  // in a jail.
  _exit(served.ok() ? 0 : 1);
}

}  // namespace nacre
