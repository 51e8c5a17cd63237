#include "devices/virtio_gpu/session.h"

#include <pthread.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <span>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/epoll.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/error.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

// Requests taken off one queue before the other gets its turn, and before the
// driver hears of the ones that are done.
constexpr int kBatchSize = 64;

// After this long without a kick, memory for large requests is given back.
constexpr int kIdleMilliseconds = 1000;

// With an event of epoll: whether it is a kick.
enum Event : uint64_t { kStop, kKick };

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Start(
    const Executor::Environment& environment, virtio::Activation activation) {
  if (activation.queues.empty() ||
      activation.queues.front().index != wire::kControlQueue) {
    return absl::InvalidArgumentError(
        "virtio-gpu without its control queue: the driver must enable queue 0");
  }
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus("epoll_create1");
  ASSIGN_OR_RETURN(EventFd stop, EventFd::Create());
  RETURN_IF_ERROR(AddToEpoll(epoll, stop.fd(), EPOLLIN, kStop));
  std::vector<Queue> queues;
  for (virtio::ActiveQueue& queue : activation.queues) {
    // Edge-triggered: every kick is an edge, and nobody need read the counter.
    RETURN_IF_ERROR(
        AddToEpoll(epoll, queue.kick.fd(), EPOLLIN | EPOLLET, kKick));
    queues.push_back({queue.index == wire::kControlQueue ? QueueKind::kControl
                                                         : QueueKind::kCursor,
                      std::move(queue.kick)});
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Rings> rings,
                   Rings::Create(activation.queues, activation.notifier,
                                 environment.stats, environment.log_limiter));
  auto session = absl::WrapUnique(
      new Session(environment, activation.driver_features, std::move(queues),
                  std::move(rings), std::move(epoll), std::move(stop)));
  session->thread_ = std::thread([s = session.get()] { s->Run(); });
  return session;
}

Session::Session(const Executor::Environment& environment, uint64_t features,
                 std::vector<Queue> queues, std::unique_ptr<Rings> rings,
                 Fd epoll, EventFd stop)
    : env_(environment),
      features_(features),
      queues_(std::move(queues)),
      rings_(std::move(rings)),
      epoll_(std::move(epoll)),
      stop_(std::move(stop)) {}

Session::~Session() {
  stopping_ = true;
  stop_.Signal();
  if (thread_.joinable()) thread_.join();
}

void Session::Run() {
  pthread_setname_np(pthread_self(), "gpu-device");
  Executor executor(env_);
  while (!stopping_) {
    // At first, what the driver made available before it was DRIVER_OK.
    bool more = false;
    for (size_t queue = 0; queue < queues_.size(); ++queue) {
      more |= ServiceQueue(queue, executor);
    }
    if (!more && rings_->PrepareToSleep()) Sleep();
  }
}

void Session::Sleep() {
  std::array<epoll_event, 4> events;
  int count = 0;
  do {
    count = epoll_wait(epoll_.get(), events.data(), events.size(),
                       buffer_.large() ? kIdleMilliseconds : -1);
    PCHECK(count >= 0 || errno == EINTR) << "epoll_wait";
    if (count == 0) buffer_.Shrink();
  } while (count <= 0);
  for (int i = 0; i < count; ++i) {
    if (events[i].data.u64 == kKick) env_.stats->kicks.Add();
  }
  rings_->EndSleep();
}

bool Session::ServiceQueue(size_t queue, Executor& executor) {
  std::optional<RingRequest> request;
  for (int i = 0; i < kBatchSize && !stopping_; ++i) {
    rings_->Exchange(queue, request);
    if (!request) return false;
    Process(queues_[queue].kind, executor, *request);
  }
  rings_->Exchange(queue, request, /*take=*/false);
  return true;
}

void Session::Process(QueueKind kind, Executor& executor,
                      RingRequest& request) {
  wire::CtrlHeader wire_header = {};
  // Shorter ones answer as a command of type 0.
  request.chain.Read(AsWritableBytes(wire_header)).IgnoreError();
  CommandHeader header(wire_header);
  if ((features_ & wire::kFeatureContextInit) == 0) header.has_ring = false;
  env_.stats->commands(header.type).Add();

  const Executor::Target target = executor.Find(header);
  // Before the command, which may end the context.
  const absl::StatusOr<std::optional<TimelineId>> timeline =
      Executor::TimelineOf(target);
  const absl::StatusOr<Response> response =
      timeline.ok() ? Execute(kind, executor, target, request.chain)
                    : timeline.status();
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
  if (!header.fenced || kind == QueueKind::kCursor || !timeline.ok()) return;
  env_.stats->fences_created.Add();
  if (!*timeline) {
    env_.stats->fences_completed.Add();
    return;
  }
  request.timeline = **timeline;
  absl::StatusOr<Fd> fence = Executor::FenceOf(target);
  if (!fence.ok()) {
    // Nothing to wait for but what came before: a fence never gets lost.
    LOG_IF(WARNING, env_.log_limiter->Allow())
        << "fence of context " << header.ctx_id << ": " << fence.status();
  } else if (fence->valid()) {
    request.fence = *std::move(fence);
    request.observer = target.context->context->fence_observer();
  }
}

absl::StatusOr<Response> Session::Execute(QueueKind kind, Executor& executor,
                                          const Executor::Target& target,
                                          virtio::DescriptorChain& chain) {
  const CommandHeader& header = target.header;
  const std::span<uint8_t> body =
      buffer_.Get(std::min<uint64_t>(chain.readable_size() - chain.bytes_read(),
                                     MaxBodySize(header.type, env_.limits)));
  RETURN_IF_ERROR(chain.Read(body));
  const absl::StatusOr<Command> command =
      DecodeCommand(kind, header, body, features_, env_.limits);
  if (ABSL_PREDICT_FALSE(!command.ok())) return command.status();
  return executor.Execute(target, *command);
}

void Session::CountAndLogError(const CommandHeader& header,
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
