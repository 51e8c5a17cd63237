#include "nacre/jailed_gpu.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "devices/virtio/remote/channel.h"
#include "devices/virtio_gpu/host_visible_window.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"
#include "nacre/foreign_summary.h"
#include "nacre/gpu_limits.h"
#include "nacre/gpu_process.h"
#include "nacre/jail/filter.h"
#include "nacre/jail/foreign_lines.h"
#include "proto/gpu_process.pb.h"
#include "vmm/guest_caching.h"
#include "vmm/process_stats.h"

namespace nacre {
namespace {

using virtio::Channel;
using ProcessEnd = jail::Process::End;

// For the process to end, by itself or killed.
constexpr std::chrono::seconds kPatience{5};

bool IsSimulated(const Gpu& config) {
  return absl::StartsWith(config.device(), "sim:");
}

absl::StatusOr<jail::Process> StartProcess(const Gpu& config, bool namespaces,
                                           const Channel& control,
                                           const Channel& services,
                                           int error_output) {
  const std::array<int, 2> fds = {control.fd(), services.fd()};
  absl::StatusOr<jail::Process> process = jail::Process::Start(
      GpuProcessArgument(
          {.namespaces = namespaces, .render_node = !IsSimulated(config)}),
      fds, error_output, namespaces);
  if (!process.ok() && namespaces && config.jail() == "required") {
    return absl::FailedPreconditionError(absl::StrCat(
        "gpu.jail is required, and this system gives no namespaces (",
        process.status().message(),
        "): allow them, for example by sysctl user.max_user_namespaces, or "
        "set gpu.jail to best-effort"));
  }
  return process;
}

// Its own, and what the guest may have it write.
int LogLinesPerSecond(const Gpu& config) {
  return std::max(jail::ForeignLines::kPerSecond,
                  static_cast<int>(config.limits().log_lines_per_second()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<JailedGpu>> JailedGpu::Create(
    const Gpu& config) {
  auto gpu = Start(config, /*namespaces=*/true);
  if (gpu.ok() || config.jail() == "required") return gpu;
  // Systems differ in where they refuse: the namespaces, the user in them, or a
  // mount there. A host's bad luck looks the same, but passes, and is no reason
  // for a weaker jail. What else may be wrong is so without them, too.
  gpu = Start(config, /*namespaces=*/true);
  if (gpu.ok()) return gpu;
  auto bare = Start(config, /*namespaces=*/false);
  LOG_IF(WARNING, bare.ok())
      << "gpu.jail: this system gives no namespaces (" << gpu.status().message()
      << "): the GPU's process has its system call filter, and Landlock where "
         "the kernel has it, but sees this machine's files and processes; "
         "\"required\" insists";
  return bare;
}

absl::StatusOr<std::unique_ptr<JailedGpu>> JailedGpu::Start(const Gpu& config,
                                                            bool namespaces) {
  ASSIGN_OR_RETURN(virtio_gpu::HostVisibleWindow window,
                   virtio_gpu::HostVisibleWindow::Create(
                       config.window_mib() << 20, DeviceLimitsOf(config)));
  ASSIGN_OR_RETURN(auto control, Channel::CreatePair());
  ASSIGN_OR_RETURN(auto services, Channel::CreatePair());
  ASSIGN_OR_RETURN(std::unique_ptr<jail::LogRelay> log,
                   jail::LogRelay::Create(
                       [](const std::string& line) {
                         LOG(WARNING) << "the GPU's process: " << line;
                       },
                       LogLinesPerSecond(config)));
  ASSIGN_OR_RETURN(jail::Process started,
                   StartProcess(config, namespaces, control.second,
                                services.second, log->writer()));
  log->CloseWriter();
  // Or the process's end would not be one of its channels.
  control.second.Close();
  services.second.Close();

  auto gpu = absl::WrapUnique(
      new JailedGpu(config.device(),
                    GpuServices(std::move(window),
                                IsSimulated(config) ? "" : config.device()),
                    std::move(log), std::move(started)));
  GpuProcess process;
  *process.mutable_gpu() = config;
  process.set_guests_always_cached(
      vmm::GuestsAreAlwaysCached().value_or(false));
  std::vector<virtio::SharedMemoryRegion> regions;
  if (const auto host = gpu->services_.window(); !host.empty()) {
    regions.push_back({virtio_gpu::wire::kShmIdHostVisible, host});
  }
  absl::StatusOr<std::unique_ptr<virtio::RemoteDevice>> remote =
      virtio::RemoteDevice::Create(
          std::move(control.first), std::move(services.first), &gpu->services_,
          {.configuration = process.SerializeAsString(),
           .regions = std::move(regions),
           .stop = [g = gpu.get()] { g->StopProcess(); },
           .on_lost = [g = gpu.get()](const auto& loss) { g->OnLost(loss); }});
  {
    MutexLock lock(gpu->mutex_);
    if (!gpu->failure_.empty()) {
      return absl::InternalError(
          absl::StrCat("the GPU's process has ended: ", gpu->failure_));
    }
    gpu->created_ = remote.ok();
  }
  if (!remote.ok()) return remote.status();
  gpu->remote_ = *std::move(remote);
  return gpu;
}

JailedGpu::~JailedGpu() {
  // Closes the channels.
  remote_.reset();
  MutexLock lock(process_mutex_);
  if (!process_.Wait(stopped_ ? std::chrono::milliseconds(0) : kPatience)) {
    LOG(WARNING) << "the GPU's process does not end: killing it";
  }
}

void JailedGpu::StopProcess() {
  MutexLock lock(process_mutex_);
  if (stopped_) return;
  // One that ends already keeps its exit code: the kernel closes descriptors
  // after it has noted that.
  process_.Kill();
  // A call into the kernel that cannot be interrupted may hold it up. None of
  // its own code runs any more, and a guest's CPU is not to wait for ever.
  LOG_IF(ERROR, !process_.Wait(kPatience))
      << "the GPU's process is killed, and does not end: it is in a system "
         "call that does not";
  stopped_ = true;
}

void JailedGpu::OnLost(const virtio::RemoteDevice::Loss& loss) {
  StopProcess();
  // Closed channels were the end of it; anything else was a process that was
  // still there.
  std::optional<ProcessEnd> end;
  if (absl::IsUnavailable(loss.why)) {
    MutexLock lock(process_mutex_);
    end = process_.Wait(std::chrono::milliseconds(0));
  }
  std::string failure;
  if (loss.refused_call) {
    failure = absl::StrCat("its filter refused the system call ",
                           jail::SystemCallName(loss.refused_call->number));
  } else if (end) {
    failure = jail::Describe(*end);
  } else {
    failure = absl::StrCat("stopped: ", std::string(loss.why.message()));
  }
  MutexLock lock(mutex_);
  failure_ = failure;
  failed_.SignalAll();
  LOG_IF(ERROR, created_) << "the GPU's process has ended: " << failure
                          << "; the guest goes on without a GPU";
}

GpuSummary JailedGpu::Summary() {
  GpuSummary summary = ParseForeignSummary(remote_->Counters());
  summary.set_device(name_);
  MutexLock lock(mutex_);
  // Its end is being looked into.
  while (remote_->lost() && failure_.empty()) failed_.Wait(mutex_);
  if (!failure_.empty()) summary.set_failure(failure_);
  return summary;
}

uint64_t JailedGpu::MemoryBytes() const {
  return vmm::MemoryBytesOf(process_.folder()).value_or(0);
}

}  // namespace nacre
