#include "devices/virtio_gpu/session.h"

#include <pthread.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/error.h"
#include "devices/virtio_gpu/response.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

// Requests taken off one queue before the other gets its turn, and before the
// driver hears of the ones that are done.
constexpr int kBatchSize = 64;

// A guest's rare large requests do not hold our memory for good.
constexpr size_t kMaxIdleBuffer = size_t{64} << 10;

absl::Status AddToEpoll(const Fd& epoll, const EventFd& event_fd,
                        uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.fd = event_fd.fd();
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event_fd.fd(), &event) != 0) {
    return ErrnoStatus("watching a queue (epoll_ctl)");
  }
  return absl::OkStatus();
}

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
  RETURN_IF_ERROR(AddToEpoll(epoll, stop, EPOLLIN));
  for (const virtio::ActiveQueue& queue : activation.queues) {
    // Edge-triggered: every kick is an edge, and nobody need read the counter.
    RETURN_IF_ERROR(AddToEpoll(epoll, queue.kick, EPOLLIN | EPOLLET));
  }
  auto session = absl::WrapUnique(new Session(
      environment, std::move(activation), std::move(epoll), std::move(stop)));
  ASSIGN_OR_RETURN(session->reactor_,
                   FenceReactor::Create([s = session.get()](auto tokens) {
                     s->OnFencesSignalled(tokens);
                   }));
  session->thread_ = std::thread([s = session.get()] { s->Run(); });
  return session;
}

Session::Session(const Executor::Environment& environment,
                 virtio::Activation activation, Fd epoll, EventFd stop)
    : env_(environment),
      features_(activation.driver_features),
      notifier_(activation.notifier),
      epoll_(std::move(epoll)),
      stop_(std::move(stop)) {
  MutexLock lock(mutex_);
  for (virtio::ActiveQueue& queue : activation.queues) {
    queues_.push_back({queue.index == wire::kControlQueue ? QueueKind::kControl
                                                          : QueueKind::kCursor,
                       queue.index, rings_.size(), std::move(queue.kick)});
    rings_.push_back(std::move(queue.queue));
  }
}

Session::~Session() {
  stopping_ = true;
  stop_.Signal();
  if (thread_.joinable()) thread_.join();
  reactor_.reset();
  MutexLock lock(mutex_);
  timelines_.Clear([](Fenced fenced) { std::move(fenced.chain).Abandon(); });
  env_.stats->fences_pending.Set(0);
}

void Session::Run() {
  pthread_setname_np(pthread_self(), "gpu-device");
  Executor executor(env_);
  // What the driver made available before it was DRIVER_OK.
  bool more = true;
  while (!stopping_) {
    if (!more) WaitForKick();
    more = false;
    for (const Queue& queue : queues_) {
      if (stopping_) break;
      more |= ServiceQueue(queue, executor);
    }
  }
}

void Session::WaitForKick() {
  std::array<epoll_event, 4> events;
  const int count =
      epoll_wait(epoll_.get(), events.data(), events.size(), /*timeout=*/-1);
  PCHECK(count >= 0 || errno == EINTR) << "epoll_wait";
  for (int i = 0; i < count; ++i) {
    if (events[i].data.fd != stop_.fd()) env_.stats->kicks.Add();
  }
}

bool Session::ServiceQueue(const Queue& queue, Executor& executor) {
  bool more = true;
  for (int i = 0; i < kBatchSize && !stopping_; ++i) {
    std::optional<virtio::DescriptorChain> chain = Pop(queue);
    if (!chain) {
      more = false;
      break;
    }
    Process(queue, executor, *std::move(chain));
  }
  Notify(queue);
  return more;
}

std::optional<virtio::DescriptorChain> Session::Pop(const Queue& queue) {
  MutexLock lock(mutex_);
  if (broken_) return std::nullopt;
  virtio::Virtqueue& ring = rings_[queue.ring];
  ring.DisableKicks();
  do {
    auto chain = ring.Pop();
    if (!chain.ok()) {
      LOG_IF(WARNING, env_.log_limiter->Allow())
          << "virtio-gpu queue " << queue.index << ": " << chain.status();
      broken_ = true;
      return std::nullopt;
    }
    if (*chain) return *std::move(chain);
  } while (ring.EnableKicks());
  return std::nullopt;
}

void Session::Process(const Queue& queue, Executor& executor,
                      virtio::DescriptorChain chain) {
  wire::CtrlHeader wire_header = {};
  // Shorter ones answer as a command of type 0.
  chain.Read(AsWritableBytes(wire_header)).IgnoreError();
  CommandHeader header(wire_header);
  if ((features_ & wire::kFeatureContextInit) == 0) header.has_ring = false;
  env_.stats->commands(header.type).Add();

  // Before the command, which may end the context.
  absl::StatusOr<std::optional<TimelineId>> timeline =
      executor.TimelineOf(header);
  const absl::StatusOr<Response> response =
      timeline.ok() ? Execute(queue, executor, header, chain)
                    : timeline.status();
  absl::Status written;
  if (response.ok()) {
    written = WriteResponse(header, *response, chain);
  } else {
    const wire::Type error = ErrorResponseType(response.status());
    CountAndLogError(header, error, response.status());
    written = WriteErrorResponse(header, error, chain);
  }
  LOG_IF(ERROR, !written.ok() && env_.log_limiter->Allow())
      << "answering a virtio-gpu command: " << written;

  // The cursor queue has no timelines: Linux leaves no room for answers there.
  if (!header.fenced || queue.kind == QueueKind::kCursor || !timeline.ok()) {
    Finish(queue, std::move(chain));
    return;
  }
  env_.stats->fences_created.Add();
  absl::StatusOr<Fd> fence = executor.FenceOf(header);
  if (!fence.ok()) {
    // Nothing to wait for but what came before: a fence never gets lost.
    LOG_IF(WARNING, env_.log_limiter->Allow())
        << "fence of context " << header.ctx_id << ": " << fence.status();
    fence = Fd();
  }
  if (!*timeline) {
    env_.stats->fences_completed.Add();
    Finish(queue, std::move(chain));
    return;
  }
  std::shared_ptr<FenceObserver> observer;
  if (fence->valid()) observer = executor.FenceObserverOf(header);
  FinishFenced(queue, **timeline, *std::move(fence),
               {std::move(chain), std::move(observer)});
}

absl::StatusOr<Response> Session::Execute(const Queue& queue,
                                          Executor& executor,
                                          const CommandHeader& header,
                                          virtio::DescriptorChain& chain) {
  const size_t size =
      std::min<uint64_t>(chain.readable_size() - chain.bytes_read(),
                         MaxBodySize(header.type, env_.limits));
  if (buffer_.size() < size) buffer_.resize(size);
  const std::span<uint8_t> body(buffer_.data(), size);
  RETURN_IF_ERROR(chain.Read(body));
  absl::StatusOr<Command> command =
      DecodeCommand(queue.kind, header, body, features_, env_.limits);
  absl::StatusOr<Response> response =
      command.ok() ? executor.Execute(header.ctx_id, *std::move(command))
                   : command.status();
  if (buffer_.size() > kMaxIdleBuffer) std::vector<uint8_t>().swap(buffer_);
  return response;
}

void Session::Finish(const Queue& queue, virtio::DescriptorChain chain) {
  MutexLock lock(mutex_);
  Complete(queue, std::move(chain));
}

void Session::FinishFenced(const Queue& queue, const TimelineId& timeline,
                           Fd fence, Fenced fenced) {
  uint64_t token = 0;
  {
    MutexLock lock(mutex_);
    if (!fence.valid()) {
      std::optional<Fenced> complete =
          timelines_.AddSignalled(timeline, std::move(fenced));
      if (complete) {
        env_.stats->fences_completed.Add();
        Complete(queue, std::move(complete->chain));
      } else {
        env_.stats->fences_pending.Set(timelines_.pending());
      }
      return;
    }
    token = timelines_.AddPending(timeline, std::move(fenced));
    env_.stats->fences_pending.Set(timelines_.pending());
    env_.stats->fences_waited.Add();
  }
  if (const absl::Status status = reactor_->Watch(std::move(fence), token);
      !status.ok()) {
    LOG_IF(ERROR, env_.log_limiter->Allow()) << status;
    OnFencesSignalled(std::span(&token, 1));
  }
}

void Session::CountAndLogError(const CommandHeader& header, wire::Type response,
                               const absl::Status& status) {
  env_.stats->errors(response).Add();
  if (!env_.log_limiter->Allow()) return;
  LOG(WARNING) << absl::StrFormat(
      "virtio-gpu command %#x of context %u: response %#x: %s",
      static_cast<uint32_t>(header.type), header.ctx_id,
      static_cast<uint32_t>(response), status.ToString());
}

void Session::OnFencesSignalled(std::span<const uint64_t> tokens) {
  const Queue& control = queues_.front();
  TellObservers(tokens);
  {
    MutexLock lock(mutex_);
    for (const uint64_t token : tokens) {
      const std::optional<TimelineId> timeline = timelines_.Signal(token);
      if (!timeline) continue;
      while (auto fenced = timelines_.TakeCompleted(*timeline)) {
        env_.stats->fences_completed.Add();
        env_.stats->fences_pending.Set(timelines_.pending());
        Complete(control, std::move(fenced->chain));
      }
    }
  }
  Notify(control);
}

void Session::TellObservers(std::span<const uint64_t> tokens) {
  constexpr size_t kUsual = 16;
  absl::InlinedVector<std::shared_ptr<FenceObserver>, kUsual> observers;
  {
    MutexLock lock(mutex_);
    for (const uint64_t token : tokens) {
      const Fenced* fenced = timelines_.Find(token);
      if (fenced == nullptr || fenced->observer == nullptr) continue;
      // Mostly one context's: told once.
      if (!observers.empty() && observers.back() == fenced->observer) continue;
      observers.push_back(fenced->observer);
    }
  }
  for (const auto& observer : observers) observer->OnFenceSignalled();
}

void Session::Complete(const Queue& queue, virtio::DescriptorChain chain) {
  if (broken_) {
    std::move(chain).Abandon();
    return;
  }
  if (const absl::Status status = rings_[queue.ring].Complete(std::move(chain));
      !status.ok()) {
    LOG_IF(WARNING, env_.log_limiter->Allow())
        << "virtio-gpu queue " << queue.index << ": " << status;
    broken_ = true;
  }
}

void Session::Notify(const Queue& queue) {
  bool interrupt = false;
  bool needs_reset = false;
  {
    MutexLock lock(mutex_);
    if (broken_) {
      needs_reset = !std::exchange(broken_reported_, true);
    } else {
      interrupt = rings_[queue.ring].NeedsInterrupt();
    }
  }
  if (interrupt) {
    env_.stats->interrupts.Add();
    notifier_->NotifyUsedBuffers(queue.index);
  }
  if (needs_reset) {
    env_.stats->broken_queues.Add();
    notifier_->SetNeedsReset();
  }
}

}  // namespace nacre::virtio_gpu
