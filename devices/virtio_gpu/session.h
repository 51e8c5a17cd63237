#ifndef NACRE_DEVICES_VIRTIO_GPU_SESSION_H_
#define NACRE_DEVICES_VIRTIO_GPU_SESSION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "devices/virtio/virtio_device.h"
#include "devices/virtio/virtqueue.h"
#include "devices/virtio_gpu/command.h"
#include "devices/virtio_gpu/executor.h"
#include "devices/virtio_gpu/request_buffer.h"
#include "devices/virtio_gpu/response.h"
#include "devices/virtio_gpu/rings.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

// The device from DRIVER_OK to reset: its queues, its two threads and the
// guest's whole state.
//
// The device thread sleeps until a kick, then takes requests off both queues,
// turn by turn in bounded batches, executes them and answers; it alone touches
// the executor, and destroys it. A request with a fence that must wait is
// completed by the thread of the fence reactor (see rings.h). While the device
// thread is awake the driver need not kick; it is interrupted at most once per
// batch and queue.
class Session {
 public:
  // What `environment` points to, and the activation's memory and notifier,
  // outlive the session. Errors: InvalidArgument where the control queue is
  // missing; the errno of what the threads need.
  static absl::StatusOr<std::unique_ptr<Session>> Start(
      const Executor::Environment& environment, virtio::Activation activation);
  // Drops everything of the guest; pending fences are abandoned, not answered.
  // Waits for the command being executed and for nothing else.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  struct Queue {
    QueueKind kind;
    EventFd kick;
  };

  Session(const Executor::Environment& environment, uint64_t features,
          std::vector<Queue> queues, std::unique_ptr<Rings> rings, Fd epoll,
          EventFd stop);

  // The device thread.
  void Run();
  void Sleep();
  // Whether more requests may be waiting.
  bool ServiceQueue(size_t queue, Executor& executor);
  void Process(QueueKind kind, Executor& executor, RingRequest& request);
  absl::StatusOr<Response> Execute(QueueKind kind, Executor& executor,
                                   const Executor::Target& target,
                                   virtio::DescriptorChain& chain);
  void CountAndLogError(const CommandHeader& header, const absl::Status& status,
                        wire::Type response);

  const Executor::Environment env_;
  const uint64_t features_;
  const std::vector<Queue> queues_;  // Control first.
  const std::unique_ptr<Rings> rings_;
  const Fd epoll_;
  const EventFd stop_;
  std::atomic<bool> stopping_{false};

  // The device thread's alone.
  RequestBuffer buffer_;  // A request's bytes behind its header.

  std::thread thread_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_SESSION_H_
