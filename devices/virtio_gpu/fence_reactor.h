#ifndef NACRE_DEVICES_VIRTIO_GPU_FENCE_REACTOR_H_
#define NACRE_DEVICES_VIRTIO_GPU_FENCE_REACTOR_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "base/thread.h"

namespace nacre::virtio_gpu {

// One thread that watches any number of fence fds (sync files, eventfds: fds
// that become readable once) with epoll and reports the ones that fired, in
// batches. Knows neither what they stand for nor in which order they count.
//
// What a fence costs: one system call to watch it, and a share of the one that
// reports a batch. Closing it is for its owner. Only where epoll refuses an fd
// (no memory; fs.epoll.max_user_watches of the user are taken) does the thread
// look at it every millisecond instead: a fence is late then, never early.
class FenceReactor {
 public:
  // The tokens of fds that have fired since the last call, each once; called
  // on the reactor's thread, without locks.
  using Callback = std::function<void(std::span<const uint64_t> tokens)>;

  // Fences of one batch; more are taken in the next.
  static constexpr size_t kMaxBatch = 64;
  // Not a token of anybody's.
  static constexpr uint64_t kNoToken = UINT64_MAX;

  // Errors: the errno of epoll_create1, eventfd; of Thread::Start.
  static absl::StatusOr<std::unique_ptr<FenceReactor>> Create(
      Callback callback);
  // No callback runs afterwards. Waits for one that is running, for no fence.
  // Not from the callback.
  ~FenceReactor();
  FenceReactor(const FenceReactor&) = delete;
  FenceReactor& operator=(const FenceReactor&) = delete;

  // Reports `token` once `fd`, which stays the caller's, has fired. The caller
  // keeps it open until then, or until the reactor is gone. The callback may
  // run before this returns. Any thread. A file that cannot be polled has fired
  // (poll(2)).
  void Watch(int fd, uint64_t token);

 private:
  struct Fence {
    int fd;
    uint64_t token;
  };

  FenceReactor(Fd epoll, EventFd wake, Callback callback);
  void Run();
  // Those of the reactor's thread, which epoll refused.
  void Poll(std::vector<Fence>& fences) const;

  const Fd epoll_;
  const EventFd wake_;  // Reported as kNoToken.
  const Callback callback_;
  std::atomic<bool> stopping_ = false;
  Mutex mutex_;
  // By epoll, and yet to be taken by the thread.
  std::vector<Fence> refused_ ABSL_GUARDED_BY(mutex_);
  Thread thread_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_FENCE_REACTOR_H_
