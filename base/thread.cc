#include "base/thread.h"

#include <signal.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace nacre {
namespace {

struct Routine {
  const char* name;
  std::function<void()> run;
};

void* Run(void* argument) {
  const std::unique_ptr<Routine> routine(static_cast<Routine*>(argument));
  pthread_setname_np(pthread_self(), routine->name);
  routine->run();
  return nullptr;
}

}  // namespace

const char* ThreadLimits(int error) {
  if (error != EAGAIN) return "";
  return " (RLIMIT_NPROC of its user, pids.max of its cgroup, or memory)";
}

absl::StatusOr<Thread> Thread::Start(const char* name,
                                     std::function<void()> run) {
  auto routine = std::make_unique<Routine>(Routine{name, std::move(run)});
  pthread_t thread = {};
  const int error = pthread_create(&thread, nullptr, Run, routine.get());
  if (error != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the host gives no thread for ", name, ThreadLimits(error),
                     ": ", std::generic_category().message(error)));
  }
  static_cast<void>(routine.release());  // The thread's.
  return Thread(thread);
}

Thread& Thread::operator=(Thread&& other) noexcept {
  CHECK(!joinable_) << "a thread that nobody has joined";
  thread_ = other.thread_;
  joinable_ = std::exchange(other.joinable_, false);
  return *this;
}

Thread::~Thread() { CHECK(!joinable_) << "a thread that nobody has joined"; }

void Thread::Join() {
  CHECK_EQ(pthread_join(thread_, nullptr), 0);
  joinable_ = false;
}

void Thread::Signal(int signal) const {
  const int error = pthread_kill(thread_, signal);
  CHECK(error == 0 || error == ESRCH)
      << "pthread_kill: " << std::generic_category().message(error);
}

}  // namespace nacre
