// What RemoteDevice's own thread does.

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/slow_fd.h"
#include "base/status_macros.h"
#include "devices/virtio/remote/remote_device.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

// Attack stopped: a lost device that cannot be ended talks without end.
constexpr int kMaxLastWords = 1024;

constexpr size_t kMaxPendingCloses = 1024;

// When it is once more tried to look at what came while somebody asked.
constexpr int kLookAgainMilliseconds = 10;

}  // namespace

void RemoteDevice::Run() {
  while (ServeEvents()) {
  }
  if (lost_) TellLost();
}

bool RemoteDevice::ServeEvents() {
  std::array<epoll_event, 8> events;
  // What nobody looked at tells of itself no more.
  const int count = epoll_wait(epoll_.get(), events.data(), events.size(),
                               heard_control_ ? kLookAgainMilliseconds : -1);
  PCHECK(count >= 0 || errno == EINTR) << "epoll_wait";
  for (int i = 0; i < count; ++i) {
    const uint64_t what = events[i].data.u64;
    if (what == kStop) return false;
    if (what == kServices) {
      if (const absl::Status served = ServeMessage(); !served.ok()) {
        Lose(served);
        return false;
      }
      continue;
    }
    if (what == kControl) {
      heard_control_ = true;
      continue;
    }
    MutexLock lock(notifier_mutex_);
    // Where the hypervisor has the event, it has cleared it.
    if (interrupts_[what].Clear() != 0 && notifier_ != nullptr) {
      ++relayed_;
      notifier_->NotifyUsedBuffers(static_cast<uint16_t>(what));
    }
  }
  // Else somebody waits for an answer, or has it and has looked for more behind
  // it, but before that came.
  if (heard_control_ && control_mutex_.TryLock()) {
    heard_control_ = false;
    CheckSilence();
    control_mutex_.Unlock();
  }
  return !lost_;
}

absl::Status RemoteDevice::ServeMessage() {
  // Attack stopped: descriptors of this process until it has none left, behind
  // one whose close waits. An honest device's do not.
  if (PendingSlowCloses() > kMaxPendingCloses) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMaxPendingCloses,
                     " of the files that it sent wait to be closed"));
  }
  // Something has arrived: this does not wait.
  ASSIGN_OR_RETURN(Channel::Packet packet,
                   services_channel_.Receive(1, config_.reply_limit));
  ASSIGN_OR_RETURN(ServiceMessage message,
                   ParseServiceMessage(std::move(packet)));
  return std::visit([this](auto& m) { return Serve(m); }, message);
}

absl::Status RemoteDevice::Answer(const absl::Status& status,
                                  std::span<const int> fds) {
  // Attack stopped: packets full of descriptors, which count until they are
  // read, pile up while this thread waits for room. An honest device has one
  // question open, for whose answer there is always room.
  return SendReply(services_channel_, status, {}, fds,
                   std::chrono::milliseconds::zero());
}

absl::Status RemoteDevice::Serve(MapRegion& message) {
  if (!message.file.valid()) {
    return Answer(absl::ResourceExhaustedError(
                      "the VMM's process has no room for one more descriptor"),
                  {});
  }
  return Answer(AskServices([&](DeviceServices& services) {
                  return services.MapRegion(message.offset, message.size,
                                            message.file_offset,
                                            message.file.get());
                }),
                {});
}

absl::Status RemoteDevice::Serve(UnmapRegion& message) {
  return Answer(AskServices([&](DeviceServices& services) {
                  return services.UnmapRegion(message.offset);
                }),
                {});
}

absl::Status RemoteDevice::Serve(ClearRegion&) {
  return Answer(AskServices([](DeviceServices& services) {
                  return services.ClearRegion();
                }),
                {});
}

absl::Status RemoteDevice::Serve(OpenNode&) {
  absl::StatusOr<Fd> opened =
      AskServices([](DeviceServices& services) { return services.OpenNode(); });
  if (!opened.ok()) return Answer(opened.status(), {});
  // The device may have used and closed its own by the time it is sent.
  const SlowFd node(*std::move(opened));
  const int fd = node.get();
  const absl::Status sent = Answer(absl::OkStatus(), std::span(&fd, 1));
  if (sent.ok() || Channel::PeerFailed(sent)) return sent;
  // What others of this user have under way in sockets is no fault of the
  // device's.
  return Answer(sent, {});
}

absl::Status RemoteDevice::Serve(ConfigChanged&) {
  MutexLock lock(notifier_mutex_);
  if (notifier_ != nullptr) notifier_->NotifyConfigChange();
  return absl::OkStatus();
}

absl::Status RemoteDevice::Serve(DeviceNeedsReset&) {
  MutexLock lock(notifier_mutex_);
  if (notifier_ != nullptr) notifier_->SetNeedsReset();
  return absl::OkStatus();
}

absl::Status RemoteDevice::Serve(CountersReport& message) {
  MutexLock lock(state_mutex_);
  counters_ = std::move(message.counters);
  return absl::OkStatus();
}

absl::Status RemoteDevice::Serve(RefusedCall& message) {
  refused_call_ = message;
  return absl::PermissionDeniedError("its filter refused a system call");
}

void RemoteDevice::ReadLastWords() {
  for (int i = 0; i < kMaxLastWords; ++i) {
    absl::StatusOr<Channel::Packet> packet =
        services_channel_.Receive(1, std::chrono::milliseconds::zero());
    if (!packet.ok()) return;
    absl::StatusOr<ServiceMessage> message =
        ParseServiceMessage(*std::move(packet));
    if (!message.ok()) return;
    if (const auto* refused = std::get_if<RefusedCall>(&*message)) {
      refused_call_ = *refused;
    }
  }
}

void RemoteDevice::ClearLostRegion() {
  const absl::Status cleared = AskServices(
      [](DeviceServices& services) { return services.ClearRegion(); });
  LOG_IF(ERROR, !cleared.ok()) << cleared;
}

void RemoteDevice::TellLost() {
  if (config_.stop) config_.stop();
  ReadLastWords();
  {
    MutexLock lock(notifier_mutex_);
    if (notifier_ != nullptr) notifier_->SetNeedsReset();
  }
  ClearLostRegion();
  if (!config_.on_lost) return;
  Loss loss{.why = {}, .refused_call = refused_call_};
  {
    MutexLock lock(state_mutex_);
    loss.why = why_lost_;
  }
  config_.on_lost(loss);
}

}  // namespace nacre::virtio
