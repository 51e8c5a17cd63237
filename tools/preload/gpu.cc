#include "tools/preload/gpu.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "base/errno_status.h"
#include "base/status_macros.h"
#include "tools/preload/render_node.h"

namespace nacre::preload {
namespace {

// While it lives, threads that this one makes get no signal: the program's
// handlers are for its own threads.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~AllSignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

// Each buffer takes a descriptor; on a real machine it does not, and programs
// are written for that.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Gpu::Gpu(FdTable& fds)
    : fds_(fds),
      sync_files_(
          [this](Fd fd, std::shared_ptr<OpenFile> file) {
            return Install(std::move(fd), std::move(file));
          },
          [this](int fd) { return fds_.FindAs<SyncFile>(fd); }) {}

absl::StatusOr<std::unique_ptr<Gpu>> Gpu::Create(
    simulator::SimulatorConfig config, FdTable& fds) {
  std::unique_ptr<Gpu> gpu(new Gpu(fds));
  config.on_retired = [gpu = gpu.get()] {
    gpu->sync_files_.OnWorkDone();
    gpu->changes_.Announce();
  };
  RaiseDescriptorLimit();
  const AllSignalsBlocked blocked;
  ASSIGN_OR_RETURN(gpu->device_, simulator::SimulatedDevice::Create(config));
  return gpu;
}

int Gpu::Install(Fd fd, std::shared_ptr<OpenFile> file) {
  fds_.Insert(fd.get(), std::move(file));
  return fd.Release();
}

absl::StatusOr<int> Gpu::OpenRenderNode(bool close_on_exec) {
  // Never readable, as a render node, which has no events.
  Fd fd(eventfd(0, EFD_NONBLOCK | (close_on_exec ? EFD_CLOEXEC : 0)));
  if (!fd.valid()) return ErrnoStatus("eventfd");
  return Install(std::move(fd), std::make_shared<RenderNode>(*this));
}

}  // namespace nacre::preload
