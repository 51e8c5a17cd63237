#include "vmm/event_loop.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/epoll.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::vmm {

EventLoop::EventLoop(Fd epoll, EventFd wake)
    : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create() {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus("epoll_create1");
  ASSIGN_OR_RETURN(EventFd wake, EventFd::Create());
  std::unique_ptr<EventLoop> loop(
      new EventLoop(std::move(epoll), std::move(wake)));
  EventLoop* raw = loop.get();
  RETURN_IF_ERROR(loop->Watch(raw->wake_.fd(), EPOLLIN,
                              [raw](uint32_t) { raw->wake_.Clear(); }));
  return loop;
}

absl::Status EventLoop::Watch(int fd, uint32_t events, FdCallback callback) {
  if (watches_.count(fd) != 0) {
    return absl::AlreadyExistsError(
        absl::StrCat("fd ", fd, " is being watched"));
  }
  RETURN_IF_ERROR(AddToEpoll(epoll_, fd, events, static_cast<uint64_t>(fd)));
  watches_.emplace(fd, std::make_shared<FdCallback>(std::move(callback)));
  return absl::OkStatus();
}

absl::Status EventLoop::Unwatch(int fd) {
  if (watches_.erase(fd) == 0) {
    return absl::NotFoundError(
        absl::StrCat("fd ", fd, " is not being watched"));
  }
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) != 0) {
    return ErrnoStatus(absl::StrCat("epoll_ctl(DEL, fd ", fd, ")"));
  }
  return absl::OkStatus();
}

void EventLoop::Post(std::function<void()> task) {
  {
    MutexLock lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.Signal();
}

void EventLoop::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.Signal();
}

void EventLoop::RunTasks() {
  std::vector<std::function<void()>> tasks;
  {
    MutexLock lock(mutex_);
    tasks.swap(tasks_);
  }
  for (const std::function<void()>& task : tasks) task();
}

void EventLoop::Run() {
  // Post and Stop leave wake_ readable, whenever they come: nothing is missed
  // by waiting first.
  while (true) {
    std::array<epoll_event, 16> events;
    const int count =
        epoll_wait(epoll_.get(), events.data(), events.size(), -1);
    PCHECK(count >= 0 || errno == EINTR) << "epoll_wait";
    for (int i = 0; i < count; ++i) {
      // An earlier callback of this turn may have unwatched it.
      const auto watch = watches_.find(static_cast<int>(events[i].data.u64));
      if (watch == watches_.end()) continue;
      const std::shared_ptr<FdCallback> callback = watch->second;
      (*callback)(events[i].events);
    }
    bool stop = false;
    {
      MutexLock lock(mutex_);
      stop = std::exchange(stopping_, false);
    }
    RunTasks();
    if (stop) return;
  }
}

}  // namespace nacre::vmm
