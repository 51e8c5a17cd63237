#ifndef NACRE_DEVICES_VIRTIO_GPU_FENCE_REACTOR_H_
#define NACRE_DEVICES_VIRTIO_GPU_FENCE_REACTOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/mutex.h"

namespace nacre::virtio_gpu {

// One thread that watches any number of fence fds (sync files, eventfds: fds
// that become readable once) with epoll and reports the ones that fired, in
// batches. Knows neither what they stand for nor in which order they count.
class FenceReactor {
 public:
  // The tokens of fds that have fired since the last call, each once; called
  // on the reactor's thread, without locks.
  using Callback = std::function<void(std::span<const uint64_t> tokens)>;

  // Errors: the errno of epoll_create1, eventfd.
  static absl::StatusOr<std::unique_ptr<FenceReactor>> Create(
      Callback callback);
  // No callback runs afterwards. Waits for one that is running, for no fence;
  // fds that have not fired are closed. Not from the callback.
  ~FenceReactor();
  FenceReactor(const FenceReactor&) = delete;
  FenceReactor& operator=(const FenceReactor&) = delete;

  // Watches `fd` until it fires, and closes it then. The callback may run
  // before this returns. Any thread. Errors: the errno of epoll_ctl; the fd is
  // closed and its token never reported.
  absl::Status Watch(Fd fd, uint64_t token);

 private:
  struct Fence {
    Fd fd;
    uint64_t token;
  };

  FenceReactor(Fd epoll, EventFd stop, Callback callback);
  void Run();

  const Fd epoll_;
  const EventFd stop_;
  const Callback callback_;
  Mutex mutex_;
  // By fd, as epoll reports it.
  absl::flat_hash_map<int, Fence> fences_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_FENCE_REACTOR_H_
