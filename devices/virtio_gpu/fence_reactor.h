#ifndef NACRE_DEVICES_VIRTIO_GPU_FENCE_REACTOR_H_
#define NACRE_DEVICES_VIRTIO_GPU_FENCE_REACTOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/thread.h"

namespace nacre::virtio_gpu {

// One thread that watches any number of fence fds (sync files, eventfds: fds
// that become readable once) with epoll and reports the ones that fired, in
// batches. Knows neither what they stand for nor in which order they count.
//
// What a fence costs: one system call to watch it, and a share of the one that
// reports a batch. Closing it is for its owner.
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
  // run before this returns. Any thread. Errors: the errno of epoll_ctl; the
  // token is never reported.
  absl::Status Watch(int fd, uint64_t token);

 private:
  FenceReactor(Fd epoll, EventFd stop, Callback callback);
  void Run();

  const Fd epoll_;
  const EventFd stop_;  // Reported as kNoToken.
  const Callback callback_;
  Thread thread_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_FENCE_REACTOR_H_
