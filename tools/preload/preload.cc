#include "tools/preload/preload.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>
#include <vector>

#include "base/errno_status.h"
#include "glog/logging.h"
#include "tools/preload/summary.h"

namespace nacre::preload {
namespace {

std::atomic<Preload*> preload{nullptr};

const char* Variable(const char* name) {
  const char* const value = getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

simulator::SimulatorConfig ConfigFromEnvironment() {
  simulator::SimulatorConfig config;
  if (const char* const chip = Variable("NACRE_SIM")) config.chip = chip;
  return config;
}

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

Preload::Preload() : pid_(getpid()) {
  static const int registered = pthread_atfork(nullptr, nullptr, InChildOfFork);
  static_cast<void>(registered);
}

int Preload::OpenRenderNode(int flags) {
  MutexLock lock(mutex_);
  if (gpu_ == nullptr) {
    absl::StatusOr<std::unique_ptr<Gpu>> gpu =
        Gpu::Create(ConfigFromEnvironment(), fds_);
    if (!gpu.ok()) {
      LOG(ERROR) << "msm preload: " << gpu.status().message();
      errno = ENODEV;
      return -1;
    }
    gpu_ = *std::move(gpu);
  }
  const absl::StatusOr<int> fd = gpu_->OpenRenderNode((flags & O_CLOEXEC) != 0);
  if (fd.ok()) return *fd;
  errno = StatusErrno(fd.status());
  return -1;
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
  const char* const path = Variable("NACRE_SUMMARY");
  if (path == nullptr || !InThisProcess()) return;
  MutexLock lock(mutex_);
  if (gpu_ == nullptr) return;
  std::ofstream file(path);
  file << SummaryJson(gpu_->device().stats());
  if (!file.flush()) LOG(ERROR) << "msm preload: cannot write " << path;
}

}  // namespace nacre::preload
