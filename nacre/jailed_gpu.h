#ifndef NACRE_NACRE_JAILED_GPU_H_
#define NACRE_NACRE_JAILED_GPU_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "devices/virtio/remote/remote_device.h"
#include "nacre/gpu_backend.h"
#include "nacre/gpu_services.h"
#include "nacre/jail/log_relay.h"
#include "nacre/jail/process.h"
#include "proto/vm_config.pb.h"
#include "proto/vm_summary.pb.h"

namespace nacre {

// A virtio-gpu device in a confined process of its own (RunGpuProcess): what a
// guest may take over by a fault of the device, of Mesa's protocol or of the
// GPU's driver in user space is that process, see SECURITY.md. Should it end,
// the guest's driver is told that its device needs a reset, which then fails;
// the guest goes on, and an error in the log says why. What the process says is
// logged by glog, which is not to wait for its reader: a log that stood still
// would have the device stand still (nacre has stderr_log.h for that).
//
// The process is this program again, from /proc/self/exe, with one argument and
// next to no environment (jail::Process): main looks for that argument before
// anything else (gpu_process.h). It is killed when the thread that called
// Create ends. SIGCHLD must not be ignored, and nobody else may reap the
// process, or its end is not seen.
class JailedGpu final : public GpuBackend {
 public:
  // `config` has what proto/vm_config.proto allows (ValidateConfig checks it),
  // and a jail that is not "off". Errors: as GpuStack::Create;
  // FailedPrecondition where it is "required" and there are no namespaces;
  // jail::Process::Start's and jail::Confine's.
  static absl::StatusOr<std::unique_ptr<JailedGpu>> Create(const Gpu& config);
  // Ends the process, and waits for it.
  ~JailedGpu() override;

  virtio::VirtioDevice& device() override { return *remote_; }
  GpuSummary Summary() override;
  uint64_t MemoryBytes() const override;

  // For tests: the process.
  const jail::Process& process() const { return process_; }

 private:
  JailedGpu(std::string name, GpuServices services,
            std::unique_ptr<jail::LogRelay> log, jail::Process process)
      : name_(std::move(name)),
        services_(std::move(services)),
        log_(std::move(log)),
        process_(std::move(process)) {}

  static absl::StatusOr<std::unique_ptr<JailedGpu>> Start(const Gpu& config,
                                                          bool namespaces);

  // Kills the process, if it still runs, and waits for its end, though not for
  // ever. Any thread.
  void StopProcess();
  // On the remote device's thread.
  void OnLost(const virtio::RemoteDevice::Loss& loss);

  const std::string name_;
  GpuServices services_;  // The remote device's thread's, once there is one.
  std::unique_ptr<jail::LogRelay> log_;  // Ends after the process.
  Mutex process_mutex_;                  // For waiting for its end.
  jail::Process process_;
  bool stopped_ ABSL_GUARDED_BY(process_mutex_) = false;
  std::unique_ptr<virtio::RemoteDevice> remote_;
  Mutex mutex_;
  CondVar failed_;
  bool created_ ABSL_GUARDED_BY(mutex_) = false;
  std::string failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre

#endif  // NACRE_NACRE_JAILED_GPU_H_
