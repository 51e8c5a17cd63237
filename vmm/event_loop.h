#ifndef NACRE_VMM_EVENT_LOOP_H_
#define NACRE_VMM_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/mutex.h"

namespace nacre::vmm {

// An epoll reactor: calls back when file descriptors become ready. One thread
// runs it; Post and Stop may be called from any.
class EventLoop {
 public:
  // `events` are epoll's (EPOLLIN, EPOLLHUP, ...; see epoll_ctl(2)).
  using FdCallback = std::function<void(uint32_t events)>;

  static absl::StatusOr<std::unique_ptr<EventLoop>> Create();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Calls `callback` on the loop's thread whenever `fd`, which is borrowed and
  // stays open until Unwatch, has one of `events` (level-triggered). Only on
  // the loop's thread, or while it does not run. Errors: AlreadyExists; the
  // errno (EPERM for a regular file, which is always ready).
  absl::Status Watch(int fd, uint32_t events, FdCallback callback);
  // After this the callback is not called again, even where its fd was ready
  // in the same turn. Allowed from within the callback. Errors: NotFound.
  absl::Status Unwatch(int fd);

  // Runs `task` once on the loop's thread, in the order posted. Any thread.
  void Post(std::function<void()> task);

  // Handles events until Stop; tasks posted before the Stop have run by then.
  // What is ready when it is called is handled, even where Stop came first.
  void Run();
  // Makes the present Run, or else the next one, return. Any thread.
  void Stop();

 private:
  EventLoop(Fd epoll, EventFd wake);
  void RunTasks();

  Fd epoll_;
  EventFd wake_;
  // Shared, so that a callback that unwatches itself lives until it returns.
  std::map<int, std::shared_ptr<FdCallback>> watches_;

  Mutex mutex_;
  std::vector<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_EVENT_LOOP_H_
