#ifndef NACRE_DEVICES_VIRTIO_GPU_SESSION_H_
#define NACRE_DEVICES_VIRTIO_GPU_SESSION_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/quota.h"
#include "devices/virtio/virtio_device.h"
#include "devices/virtio_gpu/command.h"
#include "devices/virtio_gpu/dispatcher.h"
#include "devices/virtio_gpu/executor.h"
#include "devices/virtio_gpu/job.h"
#include "devices/virtio_gpu/parking.h"
#include "devices/virtio_gpu/relay.h"
#include "devices/virtio_gpu/request_buffer.h"
#include "devices/virtio_gpu/rings.h"
#include "devices/virtio_gpu/stats.h"

namespace nacre::virtio_gpu {

// The device from DRIVER_OK to reset: its queues, its threads and the guest's
// whole state.
//
// The thread that leads (see relay.h; normally always the same) sleeps until a
// kick, then takes requests off both queues, turn by turn in bounded batches,
// executes them and answers. The driver gets plain ones back when the batch is
// over, or another thread leads, which soon happens where a call blocks in
// mid-batch. A request with a fence that must wait is completed by the thread
// of the fence reactor (see rings.h). While the leader is awake the driver need
// not kick; it is interrupted at most once per batch and queue.
//
// No context holds up another: where a call into one blocks, another thread
// takes the lead and goes on. What it then finds for that context, or for a
// resource that concerns it, it parks (see parking.h and Executor::ClaimsOf),
// so that commands keep their order where one could tell: within a context, on
// a resource, on a scanout, on a place in the window, and between submissions
// of contexts that share a resource, which the host's driver syncs implicitly,
// in the order in which it gets them. Fences keep theirs: those of a ring
// because they are the context's, those of the global timeline by a place that
// is held for each.
class Session : private Relay::Work {
 public:
  // What `environment` points to, and the activation's memory and notifier,
  // outlive the session. Errors: InvalidArgument where the control queue is
  // missing; the errno of what the threads need.
  static absl::StatusOr<std::unique_ptr<Session>> Start(
      const Executor::Environment& environment, virtio::Activation activation);
  // Drops everything of the guest; pending fences are abandoned, not answered.
  // Cancels all contexts, waits for the commands being executed, also for those
  // whose calls block, and for nothing else.
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  struct Queue {
    QueueKind kind;
    EventFd kick;
  };
  // What a thread needs to lead.
  struct Worker {
    RequestBuffer buffer;
    Job job;
  };

  // Attack stopped: host memory, by commands with long bodies behind one that
  // blocks. Beyond it nothing is taken until that one returns.
  static constexpr size_t kMaxParkedBytes = size_t{4} << 20;

  Session(const Executor::Environment& environment, std::vector<Queue> queues,
          std::unique_ptr<Rings> rings, Fd epoll, EventFd wake);

  // Relay::Work.
  void Lead() override;
  void OnTakeOver(void* task) override;
  void Wake() override { wake_.Signal(); }

  // The leader's.
  void ExecuteReady(Worker& worker);
  // Whether there may be more to do.
  bool ServiceQueue(size_t queue, Worker& worker);
  void Execute(Job& job, RequestBuffer& buffer);
  // Adds it to those of its queue's batch that go back to the driver.
  void GiveBack(Job& job, RingBatch& batch);
  // Parks the job where it must wait for another one.
  bool Park(Job& job, RequestBuffer& buffer);
  void HoldPlace(Job& job);
  void Sleep(Worker& worker);
  // Of any queue, that has yet to be executed.
  bool NothingTaken() const;
  bool is_full() const { return parked_bytes_ >= kMaxParkedBytes; }

  Stats* const stats_;
  const std::vector<Queue> queues_;  // Control first.
  Quota pending_fences_;
  const std::unique_ptr<Rings> rings_;
  const Fd epoll_;
  const EventFd wake_;

  Relay relay_;
  // The leader's.
  std::vector<RingBatch> batches_;  // As queues_.
  Dispatcher dispatcher_;
  Parking<std::unique_ptr<Job>> parking_;
  size_t parked_bytes_ = 0;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_SESSION_H_
