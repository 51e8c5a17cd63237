#include "devices/virtio/remote/remote_device.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio/split_ring.h"

namespace nacre::virtio {
namespace {

void AppendBytes(std::vector<uint8_t>& to, std::span<const uint8_t> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

absl::Status AddToEpoll(const Fd& epoll, int fd, uint64_t what,
                        uint32_t mode = 0) {
  epoll_event event = {.events = EPOLLIN | mode, .data = {.u64 = what}};
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus("epoll_ctl(EPOLL_CTL_ADD)");
  }
  return absl::OkStatus();
}

std::chrono::milliseconds TimeUntil(
    std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  return std::max(left, std::chrono::milliseconds::zero());
}

}  // namespace

absl::StatusOr<std::unique_ptr<RemoteDevice>> RemoteDevice::Create(
    Channel control, Channel services_channel, DeviceServices* services,
    Config config) {
  auto device = absl::WrapUnique(new RemoteDevice(std::move(control),
                                                  std::move(services_channel),
                                                  services, std::move(config)));
  RETURN_IF_ERROR(device->MakeEvents());
  ASSIGN_OR_RETURN(
      device->thread_,
      Thread::Start("remote-device", [d = device.get()] { d->Run(); }));
  // Once its questions are served: it may have some while it is made.
  const std::string& configuration = device->config_.configuration;
  RETURN_IF_ERROR(
      device->AskDevice(MessageType::kConfigure,
                        {reinterpret_cast<const uint8_t*>(configuration.data()),
                         configuration.size()},
                        {}, device->ReplyDeadline()));
  RETURN_IF_ERROR(device->Describe());
  return device;
}

RemoteDevice::~RemoteDevice() {
  if (thread_.joinable()) {
    stop_->Signal();
    thread_.Join();
  }
  // The end of the sockets may come later: see SlowFd.
  services_channel_.Shutdown();
  MutexLock lock(control_mutex_);
  control_.Shutdown();
}

absl::Status RemoteDevice::MakeEvents() {
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return ErrnoStatus("epoll_create1");
  ASSIGN_OR_RETURN(stop_, EventFd::Create());
  RETURN_IF_ERROR(AddToEpoll(epoll_, stop_->fd(), kStop));
  RETURN_IF_ERROR(AddToEpoll(epoll_, services_channel_.fd(), kServices));
  MutexLock lock(control_mutex_);
  // By edges: an answer stays there until who asked for it has read it.
  return AddToEpoll(epoll_, control_.fd(), kControl, EPOLLET);
}

absl::Status RemoteDevice::Describe() {
  std::vector<uint8_t> answer;
  RETURN_IF_ERROR(
      AskDevice(MessageType::kDescribe, {}, {}, ReplyDeadline(), &answer));
  ByteReader reader(answer);
  const auto description = reader.Read<Description>();
  if (!description || description->num_queues > kMaxRemoteQueues ||
      reader.remaining() != description->num_queues * sizeof(uint16_t)) {
    return absl::InvalidArgumentError("a device that describes itself wrongly");
  }
  for (uint16_t i = 0; i < description->num_queues; ++i) {
    const auto size = reader.Read<uint16_t>();
    if (!IsPowerOfTwo(*size) || *size > kMaxQueueSize) {
      return absl::InvalidArgumentError(
          absl::StrCat("a device whose queue ", i, " has size ", *size));
    }
    queue_sizes_.push_back(*size);
  }
  description_ = *description;
  MutexLock lock(notifier_mutex_);
  for (uint16_t i = 0; i < description->num_queues; ++i) {
    ASSIGN_OR_RETURN(EventFd event, EventFd::Create());
    RETURN_IF_ERROR(AddToEpoll(epoll_, event.fd(), i));
    interrupts_.push_back(std::move(event));
  }
  return absl::OkStatus();
}

absl::Status RemoteDevice::AskDevice(MessageType type,
                                     std::span<const uint8_t> body,
                                     std::span<const int> fds,
                                     Deadline deadline,
                                     std::vector<uint8_t>* answer) const {
  if (lost_) return absl::UnavailableError("the device's process is gone");
  MutexLock lock(control_mutex_);
  if (const absl::Status sent =
          SendMessage(control_, type, body, fds, TimeUntil(deadline));
      !sent.ok()) {
    // The device has not heard of it, and is as it was. One that is not reset
    // has the guest's memory, though.
    if (Channel::PeerFailed(sent) || type == MessageType::kReset) Lose(sent);
    return sent;
  }
  absl::StatusOr<Reply> reply =
      ReceiveReply(control_, /*max_fds=*/0, TimeUntil(deadline));
  if (!reply.ok()) {
    Lose(reply.status());
    return reply.status();
  }
  if (reply->status.ok() && answer != nullptr) {
    answer->assign(reply->body.begin(), reply->body.end());
  }
  CheckSilence();
  return std::move(reply->status);
}

void RemoteDevice::CheckSilence() const {
  if (!control_.Readable()) return;
  const absl::Status said =
      control_.Receive(/*max_fds=*/0, std::chrono::milliseconds::zero())
          .status();
  Lose(said.ok() ? absl::InvalidArgumentError("an answer that nobody asked for")
                 : said);
}

void RemoteDevice::Lose(const absl::Status& why) const {
  {
    MutexLock lock(state_mutex_);
    if (why_lost_.ok()) why_lost_ = why;
  }
  lost_ = true;
  // Wakes this class's thread, which does the rest.
  services_channel_.Shutdown();
}

std::string RemoteDevice::Counters() {
  std::vector<uint8_t> answer;
  const absl::Status asked =
      AskDevice(MessageType::kReadCounters, {}, {}, ReplyDeadline(), &answer);
  MutexLock lock(state_mutex_);
  if (asked.ok() && answer.size() <= kMaxCountersBytes) {
    counters_.assign(answer.begin(), answer.end());
  }
  return counters_;
}

bool RemoteDevice::AcceptsFeatures(uint64_t driver_features) const {
  const FeaturesQuestion question = {.driver_features = driver_features};
  std::vector<uint8_t> answer;
  const absl::Status asked =
      AskDevice(MessageType::kAcceptsFeatures, AsBytes(question), {},
                ReplyDeadline(), &answer);
  return asked.ok() && answer.size() == 1 && answer[0] != 0;
}

void RemoteDevice::ReadConfig(uint64_t offset, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), uint8_t{0});
  if (data.size() > kMaxConfigAccess) return;
  const ConfigAccess access = {.offset = offset, .size = data.size()};
  std::vector<uint8_t> answer;
  if (AskDevice(MessageType::kReadConfig, AsBytes(access), {}, ReplyDeadline(),
                &answer)
          .ok() &&
      answer.size() == data.size()) {
    std::copy(answer.begin(), answer.end(), data.begin());
  }
}

void RemoteDevice::WriteConfig(uint64_t offset, std::span<const uint8_t> data) {
  if (data.size() > kMaxConfigAccess) return;
  const ConfigAccess access = {.offset = offset, .size = data.size()};
  std::vector<uint8_t> body;
  AppendBytes(body, AsBytes(access));
  AppendBytes(body, data);
  AskDevice(MessageType::kWriteConfig, body, {}, ReplyDeadline()).IgnoreError();
}

absl::Status RemoteDevice::ShareMemory(const vmm::GuestMemory& memory,
                                       Deadline deadline) {
  ASSIGN_OR_RETURN(const std::vector<vmm::GuestMemory::SharedRegion> regions,
                   memory.Share());
  std::vector<uint8_t> body;
  std::vector<int> fds;
  for (const vmm::GuestMemory::SharedRegion& region : regions) {
    const SharedMemoryEntry entry = {.guest_address = region.guest_address,
                                     .size = region.size};
    AppendBytes(body, AsBytes(entry));
    fds.push_back(region.fd.get());
  }
  if (fds.size() > Channel::kMaxFds) {
    return absl::InvalidArgumentError(
        absl::StrCat(fds.size(), " regions of guest memory: at most ",
                     Channel::kMaxFds, " can be shared"));
  }
  RETURN_IF_ERROR(AskDevice(MessageType::kShareMemory, body, fds, deadline));
  shared_memory_ = &memory;
  return absl::OkStatus();
}

absl::Status RemoteDevice::Activate(Activation activation) {
  // For all of it: the guest's CPU waits.
  const Deadline deadline = ReplyDeadline();
  ResetBy(deadline);
  if (lost_) return absl::UnavailableError("the device's process is gone");
  if (shared_memory_ != activation.memory) {
    RETURN_IF_ERROR(ShareMemory(*activation.memory, deadline));
  }
  std::vector<uint8_t> body;
  std::vector<int> fds;
  AppendBytes(body, AsBytes(ActivateHeader{activation.driver_features}));
  for (const ActiveQueue& active : activation.queues) {
    const QueueLayout& layout = active.queue.layout();
    const ActivateQueue queue = {.descriptor_table = layout.descriptor_table,
                                 .available_ring = layout.available_ring,
                                 .used_ring = layout.used_ring,
                                 .index = active.index,
                                 .size = layout.size,
                                 .event_index = layout.event_index,
                                 .indirect = layout.indirect,
                                 .padding = 0};
    AppendBytes(body, AsBytes(queue));
  }
  {
    MutexLock lock(notifier_mutex_);
    for (const ActiveQueue& active : activation.queues) {
      const EventFd& interrupt = interrupts_[active.index];
      interrupt.Clear();
      fds.push_back(active.kick.fd());
      fds.push_back(interrupt.fd());
    }
    notifier_ = activation.notifier;
  }
  absl::Status activated =
      AskDevice(MessageType::kActivate, body, fds, deadline);
  MutexLock lock(notifier_mutex_);
  if (!activated.ok()) {
    notifier_ = nullptr;
    return activated;
  }
  for (const ActiveQueue& active : activation.queues) {
    notifier_->SetQueueEvent(active.index, &interrupts_[active.index]);
  }
  return activated;
}

void RemoteDevice::Reset() { ResetBy(ReplyDeadline()); }

void RemoteDevice::ResetBy(Deadline deadline) {
  AskDevice(MessageType::kReset, {}, {}, deadline).IgnoreError();
  // It did not let go of the guest's memory by itself.
  if (lost_) {
    if (config_.stop) config_.stop();
    ClearLostRegion();
  }
  MutexLock lock(notifier_mutex_);
  if (notifier_ == nullptr) return;
  for (size_t i = 0; i < interrupts_.size(); ++i) {
    notifier_->SetQueueEvent(static_cast<uint16_t>(i), nullptr);
  }
  notifier_ = nullptr;
}

}  // namespace nacre::virtio
