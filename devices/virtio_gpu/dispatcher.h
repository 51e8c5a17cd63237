#ifndef NACRE_DEVICES_VIRTIO_GPU_DISPATCHER_H_
#define NACRE_DEVICES_VIRTIO_GPU_DISPATCHER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/quota.h"
#include "devices/virtio_gpu/command.h"
#include "devices/virtio_gpu/executor.h"
#include "devices/virtio_gpu/fence_timelines.h"
#include "devices/virtio_gpu/job.h"
#include "devices/virtio_gpu/parking.h"
#include "devices/virtio_gpu/relay.h"
#include "devices/virtio_gpu/request_buffer.h"
#include "devices/virtio_gpu/response.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

// What happens to one request: its bytes are copied out of guest memory, once,
// decoded and executed, and the answer is written. For the thread that leads
// (see relay.h), also where a method says that it may lose the lead meanwhile.
class Dispatcher {
 public:
  // All outlive the dispatcher. `features` are the driver's; of
  // `pending_fences` each fence takes a share that waits for a context.
  Dispatcher(const Executor::Environment& environment, Quota& pending_fences,
             Relay& relay);

  // See Executor. Any thread.
  void Cancel() { executor_.Cancel(); }

  // Of job.request, just taken.
  void ReadHeader(Job& job) {
    // Shorter ones answer as a command of type 0.
    if (ABSL_PREDICT_FALSE(!job.request.chain.Read(job.header.bytes()).ok())) {
      job.header = CommandHeader();
    }
    if (ABSL_PREDICT_FALSE((env_.features & wire::kFeatureContextInit) == 0)) {
      job.header.RemoveRing();
    }
    job.body.reset();
    env_.stats->commands(job.header.type()).Add();
  }

  // Executes, answers, and says in job.request what it waits for. `buffer` is
  // used until it returns. May lose the lead and get it back.
  void Execute(Job& job, RequestBuffer& buffer) {
    if (ABSL_PREDICT_TRUE(job.header.type() == wire::Type::kSubmit3d &&
                          job.kind == QueueKind::kControl)) {
      ExecuteSubmit(job, buffer);
    } else {
      ExecuteCommand(job, buffer);
    }
  }

  // What the job has to do with (see Executor::ClaimsOf): before Execute, or
  // while it is in a call.
  std::vector<Claim> ClaimsOf(Job& job, RequestBuffer& buffer);
  std::vector<Claim> ClaimsOf(const Job& job);

 private:
  // Of nearly every command, without the detour of a Command and a Response...
  void ExecuteSubmit(Job& job, RequestBuffer& buffer);
  // ... and of the others.
  void ExecuteCommand(Job& job, RequestBuffer& buffer);
  // Of one that begins with `start`, which has been read already.
  absl::Status WhyNotSubmit(Job& job, std::span<const uint8_t> start,
                            RequestBuffer& buffer);

  // For a SUBMIT_3D with a fence or a ring: false where that is not right, and
  // the request has been answered.
  bool PrepareFence(Job& job, const Executor::Target& target);
  // Says in job.request behind what its fence comes...
  void AddFence(Job& job, const std::optional<TimelineId>& timeline);
  // ... and what it waits for besides.
  ABSL_ATTRIBUTE_NOINLINE void WaitForFence(Job& job,
                                            const Executor::Target& target);
  ABSL_ATTRIBUTE_NOINLINE void AnswerError(Job& job,
                                           const absl::Status& status);

  absl::StatusOr<std::span<const uint8_t>> ReadBody(Job& job,
                                                    RequestBuffer& buffer);
  absl::StatusOr<Response> Run(Job& job, const Executor::Target& target,
                               RequestBuffer& buffer);

  const Executor::Environment env_;
  Quota& pending_fences_;
  Executor executor_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_DISPATCHER_H_
