#include "devices/virtio_gpu/fence_reactor.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/memory/memory.h"
#include "base/epoll.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {

absl::StatusOr<std::unique_ptr<FenceReactor>> FenceReactor::Create(
    Callback callback) {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus("epoll_create1");
  ASSIGN_OR_RETURN(EventFd stop, EventFd::Create());
  RETURN_IF_ERROR(AddToEpoll(epoll, stop.fd(), EPOLLIN, kNoToken));
  auto reactor = absl::WrapUnique(
      new FenceReactor(std::move(epoll), std::move(stop), std::move(callback)));
  ASSIGN_OR_RETURN(
      reactor->thread_,
      Thread::Start("gpu-fences", [r = reactor.get()] { r->Run(); }));
  return reactor;
}

FenceReactor::FenceReactor(Fd epoll, EventFd stop, Callback callback)
    : epoll_(std::move(epoll)),
      stop_(std::move(stop)),
      callback_(std::move(callback)) {}

FenceReactor::~FenceReactor() {
  if (!thread_.joinable()) return;
  stop_.Signal();
  thread_.Join();
}

absl::Status FenceReactor::Watch(int fd, uint64_t token) {
  // Once, so that one that fired need not be taken out: closing it does that.
  // Where others hold the file open it stays in, without effect, until its file
  // and number meet again.
  return AddToEpoll(epoll_, fd, EPOLLIN | EPOLLONESHOT, token);
}

void FenceReactor::Run() {
  std::array<epoll_event, kMaxBatch> events;
  std::array<uint64_t, kMaxBatch> tokens;
  while (true) {
    const int count =
        epoll_wait(epoll_.get(), events.data(), kMaxBatch, /*timeout=*/-1);
    if (count < 0) {
      PCHECK(errno == EINTR) << "epoll_wait";
      continue;
    }
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == kNoToken) return;
      tokens[i] = events[i].data.u64;
    }
    callback_(std::span(tokens.data(), static_cast<size_t>(count)));
  }
}

}  // namespace nacre::virtio_gpu
