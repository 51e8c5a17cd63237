#include "devices/virtio_gpu/fence_reactor.h"

#include <poll.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "base/epoll.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

// How long epoll waits while there are fences that it refused.
constexpr int kPollMilliseconds = 1;

}  // namespace

absl::StatusOr<std::unique_ptr<FenceReactor>> FenceReactor::Create(
    Callback callback) {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus("epoll_create1");
  ASSIGN_OR_RETURN(EventFd wake, EventFd::Create());
  RETURN_IF_ERROR(AddToEpoll(epoll, wake.fd(), EPOLLIN, kNoToken));
  auto reactor = absl::WrapUnique(
      new FenceReactor(std::move(epoll), std::move(wake), std::move(callback)));
  ASSIGN_OR_RETURN(
      reactor->thread_,
      Thread::Start("gpu-fences", [r = reactor.get()] { r->Run(); }));
  return reactor;
}

FenceReactor::FenceReactor(Fd epoll, EventFd wake, Callback callback)
    : epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      callback_(std::move(callback)) {}

FenceReactor::~FenceReactor() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  wake_.Signal();
  thread_.Join();
}

void FenceReactor::Watch(int fd, uint64_t token) {
  // Once, so that one that fired need not be taken out: closing it does that.
  // Where others hold the file open it stays in, without effect, until its file
  // and number meet again.
  const absl::Status status =
      AddToEpoll(epoll_, fd, EPOLLIN | EPOLLONESHOT, token);
  if (ABSL_PREDICT_TRUE(status.ok())) return;
  LOG_FIRST_N(WARNING, 1) << "polling fences that epoll refuses: " << status;
  {
    MutexLock lock(mutex_);
    refused_.push_back({fd, token});
  }
  wake_.Signal();
}

void FenceReactor::Run() {
  std::array<epoll_event, kMaxBatch> events;
  std::array<uint64_t, kMaxBatch> tokens;
  std::vector<Fence> refused;
  while (true) {
    const int count = epoll_wait(epoll_.get(), events.data(), kMaxBatch,
                                 refused.empty() ? -1 : kPollMilliseconds);
    PCHECK(count >= 0 || errno == EINTR) << "epoll_wait";
    size_t fired = 0;
    for (int i = 0; i < count; ++i) {
      if (ABSL_PREDICT_TRUE(events[i].data.u64 != kNoToken)) {
        tokens[fired++] = events[i].data.u64;
        continue;
      }
      wake_.Clear();
      if (stopping_) return;
      MutexLock lock(mutex_);
      refused.insert(refused.end(), refused_.begin(), refused_.end());
      refused_.clear();
    }
    if (fired != 0) callback_(std::span(tokens.data(), fired));
    if (ABSL_PREDICT_FALSE(!refused.empty())) Poll(refused);
  }
}

void FenceReactor::Poll(std::vector<Fence>& fences) const {
  std::array<uint64_t, kMaxBatch> tokens;
  size_t fired = 0;
  // They leave before they are reported, as they are closed then. One by one,
  // for which poll needs no memory; where it fails all the same, later.
  std::erase_if(fences, [&](const Fence& fence) {
    pollfd poll_fd = {.fd = fence.fd, .events = POLLIN, .revents = 0};
    if (fired == kMaxBatch || poll(&poll_fd, 1, /*timeout=*/0) <= 0) {
      return false;
    }
    tokens[fired++] = fence.token;
    return true;
  });
  if (fired != 0) callback_(std::span(tokens.data(), fired));
}

}  // namespace nacre::virtio_gpu
