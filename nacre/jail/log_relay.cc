#include "nacre/jail/log_relay.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "absl/memory/memory.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::jail {

absl::StatusOr<std::unique_ptr<LogRelay>> LogRelay::Create(
    std::function<void(const std::string&)> log, int per_second) {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return ErrnoStatus("pipe2");
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  // Of this end alone: the other's are another file's flags.
  if (fcntl(reader.get(), F_SETFL, O_NONBLOCK) != 0) {
    return ErrnoStatus("fcntl(F_SETFL)");
  }
  ASSIGN_OR_RETURN(EventFd stop, EventFd::Create());
  auto relay = absl::WrapUnique(
      new LogRelay(ForeignLines(std::move(log), per_second), std::move(reader),
                   std::move(writer), std::move(stop)));
  ASSIGN_OR_RETURN(relay->thread_,
                   Thread::Start("gpu-log", [r = relay.get()] { r->Run(); }));
  return relay;
}

LogRelay::~LogRelay() {
  if (!thread_.joinable()) return;
  stop_.Signal();
  thread_.Join();
}

void LogRelay::Run() {
  std::array<pollfd, 2> fds = {{{reader_.get(), POLLIN, 0},  //
                                {stop_.fd(), POLLIN, 0}}};
  do {
    const int ready = poll(fds.data(), fds.size(), /*timeout=*/-1);
    PCHECK(ready >= 0 || errno == EINTR) << "poll";
  } while (TakeAll() && fds[1].revents == 0);
  lines_.Finish(ForeignLines::Clock::now());
}

bool LogRelay::TakeAll() {
  // More than a pipe holds is what a writer that does not stop writes: the
  // next poll sees to it.
  constexpr int kReads = 32;
  std::array<char, 4096> text;
  for (int i = 0; i < kReads; ++i) {
    const ssize_t size = read(reader_.get(), text.data(), text.size());
    if (size == 0) return false;
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    lines_.Add({text.data(), static_cast<size_t>(size)},
               ForeignLines::Clock::now());
  }
  return true;
}

}  // namespace nacre::jail
