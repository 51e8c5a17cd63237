#include "devices/virtio_gpu/dispatcher.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/error.h"
#include "devices/virtio_gpu/fence_timelines.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

ABSL_ATTRIBUTE_NOINLINE void LogUnwritten(const absl::Status& status) {
  LOG(DFATAL) << "answering a virtio-gpu command: " << status;
}

// Virtqueue::Pop has seen to it that answers can be written.
void CheckWritten(const absl::Status& status) {
  if (ABSL_PREDICT_FALSE(!status.ok())) LogUnwritten(status);
}

// Its fence has a place to keep, and its context may have to be told.
std::vector<Claim> OfMalformed(const Job& job) {
  return {Claim::Context(job.header.ctx_id())};
}

}  // namespace

Dispatcher::Dispatcher(const Executor::Environment& environment,
                       Quota& pending_fences, Relay& relay)
    : env_(environment),
      pending_fences_(pending_fences),
      executor_(environment, relay) {}

void Dispatcher::ExecuteCommand(Job& job, RequestBuffer& buffer) {
  const CommandHeader& header = job.header;
  const Executor::Target target = executor_.Find(header);
  // Before the command, which may end the context.
  const absl::StatusOr<std::optional<TimelineId>> timeline =
      Executor::TimelineOf(target);
  const absl::StatusOr<Response> response =
      timeline.ok() ? Run(job, target, buffer) : timeline.status();
  if (response.ok()) {
    CheckWritten(WriteResponse(header, *response, job.request.chain));
  } else {
    AnswerError(job, response.status());
  }
  // The cursor queue has no timelines: Linux leaves no room for answers there.
  if (header.fenced() && job.kind == QueueKind::kControl && timeline.ok()) {
    AddFence(job, *timeline);
  }
}

void Dispatcher::ExecuteSubmit(Job& job, RequestBuffer& buffer) {
  const CommandHeader& header = job.header;
  const Executor::Target target = executor_.Find(header);
  if (ABSL_PREDICT_FALSE(!header.is_plain()) && !PrepareFence(job, target)) {
    return;
  }
  virtio::DescriptorChain& chain = job.request.chain;
  wire::Submit3d submit = {};
  const bool has_it = chain.Read(AsWritableBytes(submit)).ok();
  const bool is_right =
      has_it && submit.size <= env_.limits.max_submit_bytes &&
      submit.size <= chain.readable_size() - chain.bytes_read() &&
      (env_.features & wire::kFeatureVirgl) != 0;
  const absl::Status status = [&] {
    if (ABSL_PREDICT_FALSE(!is_right)) {
      return WhyNotSubmit(
          job, has_it ? AsBytes(submit) : std::span<const uint8_t>(), buffer);
    }
    const std::span<uint8_t> commands = buffer.Get(submit.size);
    chain.Read(commands).IgnoreError();  // There are as many.
    return executor_.Submit(target, commands);
  }();
  if (ABSL_PREDICT_TRUE(status.ok())) {
    CheckWritten(WriteNoData(header, chain));
  } else {
    AnswerError(job, status);
  }
  if (ABSL_PREDICT_FALSE(job.request.timeline)) WaitForFence(job, target);
}

bool Dispatcher::PrepareFence(Job& job, const Executor::Target& target) {
  const auto timeline = Executor::TimelineOf(target);
  if (!timeline.ok()) {
    AnswerError(job, timeline.status());
    return false;
  }
  if (!job.header.fenced()) return true;
  AddFence(job, *timeline);
  if (!*timeline) return true;
  if (auto share = pending_fences_.Take()) {
    job.request.fence_share = *std::move(share);
    return true;
  }
  AnswerError(job, absl::ResourceExhaustedError(absl::StrFormat(
                       "%u fences wait for the GPU: there may be no more",
                       env_.limits.max_pending_fences)));
  return false;
}

void Dispatcher::AddFence(Job& job, const std::optional<TimelineId>& timeline) {
  env_.stats->fences_created.Add();
  if (!timeline) env_.stats->fences_completed.Add();
  job.request.timeline = timeline;
}

void Dispatcher::WaitForFence(Job& job, const Executor::Target& target) {
  RingRequest& request = job.request;
  absl::StatusOr<Fd> fence = Executor::FenceOf(target);
  if (!fence.ok()) {
    // Nothing to wait for but what came before: a fence never gets lost.
    LOG_IF(WARNING, env_.log_limiter->Allow())
        << "fence of context " << job.header.ctx_id() << ": " << fence.status();
  } else if (fence->valid()) {
    request.fence = *std::move(fence);
    request.observer = target.context->context->fence_observer();
    return;
  }
  request.fence_share = Quota::Share();
}

absl::Status Dispatcher::WhyNotSubmit(Job& job, std::span<const uint8_t> start,
                                      RequestBuffer& buffer) {
  virtio::DescriptorChain& chain = job.request.chain;
  const std::span<uint8_t> body =
      buffer.Get(start.size() +
                 std::min<uint64_t>(chain.readable_size() - chain.bytes_read(),
                                    env_.limits.max_submit_bytes));
  std::copy(start.begin(), start.end(), body.begin());
  RETURN_IF_ERROR(chain.Read(body.subspan(start.size())));
  return DecodeCommand(job.kind, job.header, body, env_.features, env_.limits)
      .status();
}

absl::StatusOr<std::span<const uint8_t>> Dispatcher::ReadBody(
    Job& job, RequestBuffer& buffer) {
  if (job.body) return *job.body;
  virtio::DescriptorChain& chain = job.request.chain;
  const std::span<uint8_t> body = buffer.Get(
      std::min<uint64_t>(chain.readable_size() - chain.bytes_read(),
                         MaxBodySize(job.header.type(), env_.limits)));
  RETURN_IF_ERROR(chain.Read(body));
  job.body = body;
  return body;
}

absl::StatusOr<Response> Dispatcher::Run(Job& job,
                                         const Executor::Target& target,
                                         RequestBuffer& buffer) {
  ASSIGN_OR_RETURN(const std::span<const uint8_t> body, ReadBody(job, buffer));
  const absl::StatusOr<Command> command =
      DecodeCommand(job.kind, job.header, body, env_.features, env_.limits);
  job.command = command.ok() ? &*command : nullptr;
  if (!command.ok()) {
    executor_.Refuse(target, body);
    return command.status();
  }
  return executor_.Execute(target, *command);
}

std::vector<Claim> Dispatcher::ClaimsOf(Job& job, RequestBuffer& buffer) {
  // The body may be long, and is read when its turn comes.
  if (job.header.type() == wire::Type::kSubmit3d) return ClaimsOf(job);
  const auto body = ReadBody(job, buffer);
  if (!body.ok()) return OfMalformed(job);
  const absl::StatusOr<Command> command =
      DecodeCommand(job.kind, job.header, *body, env_.features, env_.limits);
  if (!command.ok()) return OfMalformed(job);
  return executor_.ClaimsOf(job.header, *command);
}

std::vector<Claim> Dispatcher::ClaimsOf(const Job& job) {
  if (job.header.type() == wire::Type::kSubmit3d) {
    return executor_.ClaimsOf(job.header, Submit3d{});
  }
  if (job.command == nullptr) return OfMalformed(job);
  return executor_.ClaimsOf(job.header, *job.command);
}

void Dispatcher::AnswerError(Job& job, const absl::Status& status) {
  const CommandHeader& header = job.header;
  const wire::Type error = ErrorResponseType(status);
  env_.stats->errors(error).Add();
  LOG_IF(WARNING, env_.log_limiter->Allow()) << absl::StrFormat(
      "virtio-gpu command %#x of context %u: response %#x: %s",
      static_cast<uint32_t>(header.type()), header.ctx_id(),
      static_cast<uint32_t>(error), status.ToString());
  CheckWritten(WriteErrorResponse(header, error, job.request.chain));
}

}  // namespace nacre::virtio_gpu
