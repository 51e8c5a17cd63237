#include "base/thread.h"

#include <signal.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <memory>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace nacre {
namespace {

constexpr int64_t kNanosecondsPerSecond = 1000000000;

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

bool Thread::JoinWithin(std::chrono::milliseconds time) {
  timespec until;
  CHECK_EQ(clock_gettime(CLOCK_REALTIME, &until), 0);
  const int64_t nanoseconds =
      until.tv_nsec + std::chrono::nanoseconds(time).count();
  until.tv_sec += nanoseconds / kNanosecondsPerSecond;
  until.tv_nsec = nanoseconds % kNanosecondsPerSecond;
  // There is one with a clock that nobody sets, which ThreadSanitizer does not
  // know.
  const int error = pthread_timedjoin_np(thread_, nullptr, &until);
  CHECK(error == 0 || error == ETIMEDOUT)
      << "pthread_timedjoin_np: " << std::generic_category().message(error);
  if (error == 0) joinable_ = false;
  return error == 0;
}

void Thread::Signal(int signal) const {
  const int error = pthread_kill(thread_, signal);
  CHECK(error == 0 || error == ESRCH)
      << "pthread_kill: " << std::generic_category().message(error);
}

}  // namespace nacre
