#include "devices/virtio_gpu/fence_reactor.h"

#include <pthread.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/memory/memory.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

// Fences of one batch; more are taken in the next.
constexpr size_t kMaxBatch = 64;

absl::Status AddToEpoll(int epoll, int fd) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus("watching a fence (epoll_ctl)");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<FenceReactor>> FenceReactor::Create(
    Callback callback) {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus("epoll_create1");
  ASSIGN_OR_RETURN(EventFd stop, EventFd::Create());
  RETURN_IF_ERROR(AddToEpoll(epoll.get(), stop.fd()));
  return absl::WrapUnique(
      new FenceReactor(std::move(epoll), std::move(stop), std::move(callback)));
}

FenceReactor::FenceReactor(Fd epoll, EventFd stop, Callback callback)
    : epoll_(std::move(epoll)),
      stop_(std::move(stop)),
      callback_(std::move(callback)),
      thread_([this] { Run(); }) {}

FenceReactor::~FenceReactor() {
  stop_.Signal();
  thread_.join();
}

absl::Status FenceReactor::Watch(Fd fd, uint64_t token) {
  const int raw = fd.get();
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(AddToEpoll(epoll_.get(), raw));
  fences_.emplace(raw, Fence{std::move(fd), token});
  return absl::OkStatus();
}

void FenceReactor::Run() {
  pthread_setname_np(pthread_self(), "gpu-fences");
  std::array<epoll_event, kMaxBatch> events;
  std::array<uint64_t, kMaxBatch> tokens;
  while (true) {
    const int count =
        epoll_wait(epoll_.get(), events.data(), kMaxBatch, /*timeout=*/-1);
    if (count < 0) {
      PCHECK(errno == EINTR) << "epoll_wait";
      continue;
    }
    size_t num_tokens = 0;
    {
      MutexLock lock(mutex_);
      for (int i = 0; i < count; ++i) {
        const int fd = events[i].data.fd;
        if (fd == stop_.fd()) return;
        const auto it = fences_.find(fd);
        CHECK(it != fences_.end());
        // Others may hold the file open, so that closing it would not do.
        PCHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0);
        tokens[num_tokens++] = it->second.token;
        fences_.erase(it);
      }
    }
    callback_(std::span(tokens.data(), num_tokens));
  }
}

}  // namespace nacre::virtio_gpu
