#ifndef NACRE_DEVICES_VIRTIO_GPU_DISPATCHER_H_
#define NACRE_DEVICES_VIRTIO_GPU_DISPATCHER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/quota.h"
#include "devices/virtio_gpu/command.h"
#include "devices/virtio_gpu/executor.h"
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

  size_t num_contexts() const { return executor_.num_contexts(); }

  // Of job.request, just taken.
  void ReadHeader(Job& job);

  // Executes, answers, and says in job.request what it waits for. `buffer` is
  // used until it returns. May lose the lead and get it back.
  void Execute(Job& job, RequestBuffer& buffer);

  // What the job has to do with (see Executor::ClaimsOf): before Execute, or
  // while it is in a call.
  std::vector<Claim> ClaimsOf(Job& job, RequestBuffer& buffer);
  std::vector<Claim> ClaimsOf(const Job& job);

 private:
  absl::StatusOr<std::span<const uint8_t>> ReadBody(Job& job,
                                                    RequestBuffer& buffer);
  absl::StatusOr<Response> Run(Job& job, const Executor::Target& target,
                               RequestBuffer& buffer);
  // Whether a fence that the request may come to wait for is within the limit;
  // its share is the job's request's then.
  bool TakeFenceShare(Job& job);
  void CountAndLogError(const CommandHeader& header, const absl::Status& status,
                        wire::Type response);

  const Executor::Environment env_;
  Quota& pending_fences_;
  Executor executor_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_DISPATCHER_H_
