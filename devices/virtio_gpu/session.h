#ifndef NACRE_DEVICES_VIRTIO_GPU_SESSION_H_
#define NACRE_DEVICES_VIRTIO_GPU_SESSION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "devices/virtio/virtio_device.h"
#include "devices/virtio/virtqueue.h"
#include "devices/virtio_gpu/command.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/executor.h"
#include "devices/virtio_gpu/fence_reactor.h"
#include "devices/virtio_gpu/fence_timelines.h"

namespace nacre::virtio_gpu {

// The device from DRIVER_OK to reset: its queues, its two threads and the
// guest's whole state.
//
// The device thread sleeps until a kick, then takes requests off both queues,
// turn by turn in bounded batches, executes them and answers; it alone touches
// the executor, and destroys it. A request with a fence that must wait keeps
// its chain in the timelines; the reactor thread completes it when the fence fd
// fires. Both write the used rings, under one mutex; each interrupts at most
// once per batch and queue, without it.
//
// A ring that the driver broke ends all work until reset: DEVICE_NEEDS_RESET.
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
    uint16_t index;  // The driver's.
    size_t ring;     // In rings_.
    EventFd kick;
  };

  // A request that waits for its fence.
  struct Fenced {
    virtio::DescriptorChain chain;
    std::shared_ptr<FenceObserver> observer;  // Of the fence; may be null.
  };

  Session(const Executor::Environment& environment,
          virtio::Activation activation, Fd epoll, EventFd stop);

  // The device thread.
  void Run();
  void WaitForKick();
  // Whether more requests may be waiting.
  bool ServiceQueue(const Queue& queue, Executor& executor);
  std::optional<virtio::DescriptorChain> Pop(const Queue& queue);
  void Process(const Queue& queue, Executor& executor,
               virtio::DescriptorChain chain);
  absl::StatusOr<Response> Execute(const Queue& queue, Executor& executor,
                                   const CommandHeader& header,
                                   virtio::DescriptorChain& chain);
  void Finish(const Queue& queue, virtio::DescriptorChain chain);
  void FinishFenced(const Queue& queue, const TimelineId& timeline, Fd fence,
                    Fenced fenced);
  void CountAndLogError(const CommandHeader& header, wire::Type response,
                        const absl::Status& status);
  // The reactor thread.
  void OnFencesSignalled(std::span<const uint64_t> tokens);
  void TellObservers(std::span<const uint64_t> tokens)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Either thread.
  void Complete(const Queue& queue, virtio::DescriptorChain chain)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Tells the driver what it asked to be told about what was completed.
  void Notify(const Queue& queue) ABSL_LOCKS_EXCLUDED(mutex_);

  const Executor::Environment env_;
  const uint64_t features_;
  virtio::DriverNotifier* const notifier_;
  const Fd epoll_;
  const EventFd stop_;
  std::vector<Queue> queues_;  // Control first; fixed at start.
  std::atomic<bool> stopping_{false};

  // The device thread's alone.
  std::vector<uint8_t> buffer_;  // The request's bytes behind its header.

  Mutex mutex_;
  std::vector<virtio::Virtqueue> rings_ ABSL_GUARDED_BY(mutex_);
  // Chains of the control queue.
  FenceTimelines<Fenced> timelines_ ABSL_GUARDED_BY(mutex_);
  // The driver broke a ring, and whether it has been told.
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_reported_ ABSL_GUARDED_BY(mutex_) = false;

  std::unique_ptr<FenceReactor> reactor_;
  std::thread thread_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_SESSION_H_
