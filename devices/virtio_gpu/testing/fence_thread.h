#ifndef NACRE_DEVICES_VIRTIO_GPU_TESTING_FENCE_THREAD_H_
#define NACRE_DEVICES_VIRTIO_GPU_TESTING_FENCE_THREAD_H_

namespace nacre::virtio_gpu {

// The system calls of the thread that watches fences, "gpu-fences", which the
// linker sends past us (--wrap): epoll_wait, epoll_ctl, close, read, write,
// ioctl. Locks are not counted: only contention makes them calls. In programs
// that are linked statically: what comes from a shared library is not wrapped.
class FenceThread {
 public:
  FenceThread() = delete;

  // Since the start, of all that there ever were.
  static int calls();
  // Of these, epoll_wait; counted before it waits.
  static int waits();
  // Returns when the thread has gone to wait `count` times since the start.
  static void AwaitWaits(int count);

  // Holds it back before it looks for fences, the next time that it goes to;
  // lets it go on.
  static void Hold();
  static void Release();
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_TESTING_FENCE_THREAD_H_
