#include "tools/preload/preload.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>
#include <vector>

#include "base/descriptor_room.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "glog/logging.h"
#include "tools/preload/environment.h"

namespace nacre::preload {
namespace {

std::atomic<Preload*> preload{nullptr};

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

// The threads of the old one are not here, and its locks may be held by them.
void InChildOfFork() { preload.store(nullptr); }

__attribute__((destructor)) void AtExit() {
  Preload* const present = preload.load();
  if (present != nullptr) present->WriteSummary();
}

}  // namespace

Preload& Preload::Get() {
  Preload* present = preload.load(std::memory_order_acquire);
  if (present != nullptr) return *present;
  std::unique_ptr<Preload> made(new Preload());
  if (preload.compare_exchange_strong(present, made.get())) {
    return *made.release();
  }
  return *present;
}

Preload::Preload() : pid_(getpid()), picture_(ThisDriver().device) {
  static const int registered = pthread_atfork(nullptr, nullptr, InChildOfFork);
  static_cast<void>(registered);
}

int Preload::OpenRenderNode(int flags) {
  MutexLock lock(mutex_);
  if (gpu_ == nullptr) {
    const absl::Status status = MakeGpu();
    if (!status.ok()) {
      LOG(ERROR) << "nacre preload: " << status.message();
      errno = ENODEV;
      return -1;
    }
  }
  const absl::StatusOr<int> fd = gpu_->OpenRenderNode((flags & O_CLOEXEC) != 0);
  if (fd.ok()) return *fd;
  errno = StatusErrno(fd.status());
  return -1;
}

absl::Status Preload::MakeGpu() {
  ASSIGN_OR_RETURN(Environment environment,
                   ReadEnvironment([](const char* name) {
                     return static_cast<const char*>(getenv(name));
                   }));
  // Each buffer takes a descriptor; on a real machine it does not, and programs
  // are written for that.
  MakeRoomForDescriptors();
  const AllSignalsBlocked blocked;
  ASSIGN_OR_RETURN(gpu_, ThisDriver().make_gpu(environment.simulator, fds_));
  summary_path_ = std::move(environment.summary_path);
  return absl::OkStatus();
}

bool Preload::InThisProcess() const { return getpid() == pid_; }

FdTable::File Preload::Forget(int fd) {
  if (fds_.Find(fd) == nullptr || !InThisProcess()) return nullptr;
  return fds_.Remove(fd);
}

std::vector<FdTable::File> Preload::ForgetRange(unsigned first, unsigned last) {
  if (!InThisProcess()) return {};
  return fds_.RemoveRange(first, last);
}

int Preload::Duplicated(int fd, int copy) {
  if (copy < 0) return copy;
  FdTable::File file = fds_.Find(fd);
  if (file != nullptr && InThisProcess()) fds_.Insert(copy, std::move(file));
  return copy;
}

void Preload::WriteSummary() {
  MutexLock lock(mutex_);
  if (summary_path_.empty() || !InThisProcess()) return;
  std::ofstream file(summary_path_);
  file << gpu_->SummaryJson();
  if (!file.flush()) {
    LOG(ERROR) << "nacre preload: cannot write " << summary_path_;
  }
}

}  // namespace nacre::preload
