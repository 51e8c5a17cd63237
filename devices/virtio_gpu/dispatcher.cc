#include "devices/virtio_gpu/dispatcher.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/error.h"
#include "devices/virtio_gpu/fence_timelines.h"
#include "devices/virtio_gpu/limits.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {

namespace {

absl::Status TooManyFences(const Limits& limits) {
  return absl::ResourceExhaustedError(
      absl::StrFormat("%u fences wait for the GPU: there may be no more",
                      limits.max_pending_fences));
}

}  // namespace

Dispatcher::Dispatcher(const Executor::Environment& environment,
                       Quota& pending_fences, Relay& relay)
    : env_(environment),
      pending_fences_(pending_fences),
      executor_(environment, relay) {}

void Dispatcher::ReadHeader(Job& job) {
  wire::CtrlHeader header = {};
  // Shorter ones answer as a command of type 0.
  job.request->chain.Read(AsWritableBytes(header)).IgnoreError();
  job.header = CommandHeader(header);
  if ((env_.features & wire::kFeatureContextInit) == 0) {
    job.header.has_ring = false;
  }
  job.body.reset();
  env_.stats->commands(job.header.type).Add();
}

void Dispatcher::Execute(Job& job, RequestBuffer& buffer) {
  const CommandHeader& header = job.header;
  const Executor::Target target = executor_.Find(header);
  // Before the command, which may end the context.
  const absl::StatusOr<std::optional<TimelineId>> timeline =
      Executor::TimelineOf(target);
  const bool may_wait = TakeFenceShare(job);
  const absl::StatusOr<Response> response = !timeline.ok() ? timeline.status()
                                            : !may_wait
                                                ? TooManyFences(env_.limits)
                                                : Run(job, target, buffer);
  RingRequest& request = *job.request;
  absl::Status written;
  if (ABSL_PREDICT_TRUE(response.ok())) {
    written = WriteResponse(header, *response, request.chain);
  } else {
    const wire::Type error = ErrorResponseType(response.status());
    CountAndLogError(header, response.status(), error);
    written = WriteErrorResponse(header, error, request.chain);
  }
  LOG_IF(ERROR, !written.ok() && env_.log_limiter->Allow())
      << "answering a virtio-gpu command: " << written;

  // The cursor queue has no timelines: Linux leaves no room for answers there.
  if (!header.fenced || job.kind == QueueKind::kCursor || !timeline.ok()) {
    return;
  }
  env_.stats->fences_created.Add();
  if (!*timeline) {
    env_.stats->fences_completed.Add();
    return;
  }
  request.timeline = **timeline;
  if (ABSL_PREDICT_FALSE(!may_wait)) return;
  absl::StatusOr<Fd> fence = Executor::FenceOf(target);
  if (!fence.ok()) {
    // Nothing to wait for but what came before: a fence never gets lost.
    LOG_IF(WARNING, env_.log_limiter->Allow())
        << "fence of context " << header.ctx_id << ": " << fence.status();
  } else if (fence->valid()) {
    request.fence = *std::move(fence);
    request.observer = target.context->context->fence_observer();
    return;
  }
  request.fence_share = Quota::Share();
}

bool Dispatcher::TakeFenceShare(Job& job) {
  // No other command starts work to wait for.
  if (!job.header.fenced || job.header.type != wire::Type::kSubmit3d ||
      job.kind == QueueKind::kCursor) {
    return true;
  }
  std::optional<Quota::Share> share = pending_fences_.Take();
  if (ABSL_PREDICT_FALSE(!share)) return false;
  job.request->fence_share = *std::move(share);
  return true;
}

absl::StatusOr<std::span<const uint8_t>> Dispatcher::ReadBody(
    Job& job, RequestBuffer& buffer) {
  if (job.body) return *job.body;
  virtio::DescriptorChain& chain = job.request->chain;
  const std::span<uint8_t> body =
      buffer.Get(std::min<uint64_t>(chain.readable_size() - chain.bytes_read(),
                                    MaxBodySize(job.header.type, env_.limits)));
  RETURN_IF_ERROR(chain.Read(body));
  job.body = body;
  return body;
}

absl::StatusOr<Response> Dispatcher::Run(Job& job,
                                         const Executor::Target& target,
                                         RequestBuffer& buffer) {
  ASSIGN_OR_RETURN(const std::span<const uint8_t> body, ReadBody(job, buffer));
  if (ABSL_PREDICT_TRUE(job.header.type == wire::Type::kSubmit3d &&
                        job.kind == QueueKind::kControl)) {
    const absl::StatusOr<Submit3d> submit =
        DecodeSubmit3d(body, env_.features, env_.limits);
    if (ABSL_PREDICT_FALSE(!submit.ok())) return submit.status();
    return executor_.Execute(target, *submit);
  }
  const absl::StatusOr<Command> command =
      DecodeCommand(job.kind, job.header, body, env_.features, env_.limits);
  if (ABSL_PREDICT_FALSE(!command.ok())) return command.status();
  job.command = &*command;
  return executor_.Execute(target, *command);
}

std::vector<Claim> Dispatcher::ClaimsOf(Job& job, RequestBuffer& buffer) {
  // The body may be long, and is read when its turn comes.
  if (job.header.type == wire::Type::kSubmit3d) return ClaimsOf(job);
  // Where it is malformed only its fence has a place to keep.
  const std::vector<Claim> fence = {Claim::Context(job.header.ctx_id)};
  const auto body = ReadBody(job, buffer);
  if (!body.ok()) return fence;
  const absl::StatusOr<Command> command =
      DecodeCommand(job.kind, job.header, *body, env_.features, env_.limits);
  if (!command.ok()) return fence;
  return executor_.ClaimsOf(job.header, *command);
}

std::vector<Claim> Dispatcher::ClaimsOf(const Job& job) {
  if (job.header.type == wire::Type::kSubmit3d) {
    return executor_.ClaimsOf(job.header, Submit3d{});
  }
  return executor_.ClaimsOf(job.header, *job.command);
}

void Dispatcher::CountAndLogError(const CommandHeader& header,
                                  const absl::Status& status,
                                  wire::Type response) {
  env_.stats->errors(response).Add();
  if (!env_.log_limiter->Allow()) return;
  LOG(WARNING) << absl::StrFormat(
      "virtio-gpu command %#x of context %u: response %#x: %s",
      static_cast<uint32_t>(header.type), header.ctx_id,
      static_cast<uint32_t>(response), status.ToString());
}

}  // namespace nacre::virtio_gpu
