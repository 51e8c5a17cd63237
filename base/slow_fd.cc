#include "base/slow_fd.h"

#include <sys/stat.h>

#include <atomic>
#include <deque>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/thread.h"

namespace nacre {
namespace {

class Closer {
 public:
  absl::Status Start() {
    MutexLock lock(mutex_);
    if (started_.load(std::memory_order_relaxed)) return absl::OkStatus();
    absl::StatusOr<Thread> thread =
        Thread::Start("slow-closer", [this] { Run(); });
    if (!thread.ok()) return thread.status();
    thread_ = *std::move(thread);
    started_.store(true, std::memory_order_relaxed);
    return absl::OkStatus();
  }

  bool started() const { return started_.load(std::memory_order_relaxed); }

  void Add(Fd file) {
    MutexLock lock(mutex_);
    files_.push_back(std::move(file));
    added_.Signal();
  }

  size_t pending() {
    MutexLock lock(mutex_);
    return files_.size();
  }

 private:
  void Run() {
    mutex_.Lock();
    for (;;) {
      while (files_.empty()) added_.Wait(mutex_);
      // Its place stays until it is closed.
      Fd file = std::move(files_.front());
      mutex_.Unlock();
      file.Reset();
      mutex_.Lock();
      files_.pop_front();
    }
  }

  Mutex mutex_;
  CondVar added_;
  std::deque<Fd> files_ ABSL_GUARDED_BY(mutex_);
  Thread thread_ ABSL_GUARDED_BY(mutex_);  // Never joined.
  std::atomic<bool> started_ = false;
};

Closer& TheCloser() {
  static Closer* const closer = new Closer;  // Never ends.
  return *closer;
}

bool MayWait(int file) {
  struct stat status;
  return fstat(file, &status) != 0 || !S_ISREG(status.st_mode);
}

}  // namespace

absl::Status StartSlowCloser() { return TheCloser().Start(); }

void CloseElsewhere(Fd file) {
  if (!file.valid() || !TheCloser().started() || !MayWait(file.get())) return;
  TheCloser().Add(std::move(file));
}

size_t PendingSlowCloses() { return TheCloser().pending(); }

}  // namespace nacre
