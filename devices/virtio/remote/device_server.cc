#include "devices/virtio/remote/device_server.h"

#include <malloc.h>

#include "base/bytes.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

absl::Status Malformed(const char* what) {
  return absl::InvalidArgumentError(what);
}

template <typename T>
std::vector<uint8_t> Bytes(const T& value) {
  const std::span<const uint8_t> bytes = AsBytes(value);
  return {bytes.begin(), bytes.end()};
}

absl::string_view Text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

absl::Status DeviceServer::Serve() {
  absl::Status result;
  for (;;) {
    Channel::TimeLimit limit;
    if (active_) limit = config_.counters_interval;
    absl::StatusOr<Channel::Packet> packet =
        control_.Receive(Channel::kMaxFds, limit);
    if (absl::IsDeadlineExceeded(packet.status())) {
      ReportCounters();
      continue;
    }
    if (absl::IsUnavailable(packet.status())) break;
    absl::StatusOr<Answer> answer =
        packet.ok() ? Handle(*std::move(packet)) : packet.status();
    result = answer.ok() ? SendReply(control_, answer->status, answer->body, {},
                                     /*limit=*/std::nullopt)
                         : answer.status();
    if (!result.ok()) break;
  }
  if (device_ != nullptr) Reset();
  return absl::IsUnavailable(result) ? absl::OkStatus() : result;
}

absl::StatusOr<DeviceServer::Answer> DeviceServer::Handle(
    Channel::Packet packet) {
  ByteReader reader(packet.bytes);
  const auto header = reader.Read<MessageHeader>();
  if (!header) return Malformed("a message without a header");
  const std::span<const uint8_t> body = *reader.ReadBytes(reader.remaining());
  if (header->type == MessageType::kConfigure) return Answer{Make(body), {}};
  if (device_ == nullptr) return Malformed("a message before kConfigure");
  switch (header->type) {
    case MessageType::kDescribe:
      return Answer{absl::OkStatus(), Describe()};
    case MessageType::kAcceptsFeatures: {
      const auto question = ByteReader(body).Read<FeaturesQuestion>();
      if (!question) return Malformed("kAcceptsFeatures");
      const bool accepts = device_->AcceptsFeatures(question->driver_features);
      return Answer{absl::OkStatus(), Bytes(static_cast<uint8_t>(accepts))};
    }
    case MessageType::kReadConfig: {
      ASSIGN_OR_RETURN(std::vector<uint8_t> bytes, ReadConfig(body));
      return Answer{absl::OkStatus(), std::move(bytes)};
    }
    case MessageType::kWriteConfig:
      return Answer{WriteConfig(body), {}};
    case MessageType::kShareMemory:
      return Answer{TakeMemory(body, std::move(packet.fds)), {}};
    case MessageType::kActivate:
      return Answer{Activate(body, std::move(packet.fds)), {}};
    case MessageType::kReset:
      Reset();
      return Answer{};
    case MessageType::kReadCounters: {
      const std::string counters = config_.counters();
      return Answer{absl::OkStatus(), {counters.begin(), counters.end()}};
    }
    default:
      return Malformed("a message of no known type");
  }
}

absl::Status DeviceServer::Make(std::span<const uint8_t> configuration) {
  if (device_ != nullptr) return Malformed("kConfigure twice");
  ASSIGN_OR_RETURN(device_, config_.make(Text(configuration)));
  interrupts_.resize(device_->max_queue_sizes().size());
  return absl::OkStatus();
}

std::vector<uint8_t> DeviceServer::Describe() {
  const std::span<const uint16_t> sizes = device_->max_queue_sizes();
  std::vector<uint8_t> body =
      Bytes(Description{.device_features = device_->device_features(),
                        .device_id = device_->device_id(),
                        .num_queues = static_cast<uint16_t>(sizes.size()),
                        .padding = 0});
  for (const uint16_t size : sizes) {
    const std::span<const uint8_t> bytes = AsBytes(size);
    body.insert(body.end(), bytes.begin(), bytes.end());
  }
  return body;
}

absl::StatusOr<std::vector<uint8_t>> DeviceServer::ReadConfig(
    std::span<const uint8_t> body) {
  const auto access = ByteReader(body).Read<ConfigAccess>();
  if (!access || access->size > kMaxConfigAccess) {
    return Malformed("kReadConfig");
  }
  std::vector<uint8_t> bytes(access->size);
  device_->ReadConfig(access->offset, bytes);
  return bytes;
}

absl::Status DeviceServer::WriteConfig(std::span<const uint8_t> body) {
  ByteReader reader(body);
  const auto access = reader.Read<ConfigAccess>();
  if (!access || access->size != reader.remaining()) {
    return Malformed("kWriteConfig");
  }
  device_->WriteConfig(access->offset, *reader.ReadBytes(access->size));
  return absl::OkStatus();
}

absl::Status DeviceServer::TakeMemory(std::span<const uint8_t> body,
                                      std::vector<SlowFd> fds) {
  if (active_) return Malformed("kShareMemory while active");
  ByteReader reader(body);
  std::vector<vmm::GuestMemory::SharedRegion> regions;
  for (SlowFd& fd : fds) {
    const auto entry = reader.Read<SharedMemoryEntry>();
    if (!entry) return Malformed("kShareMemory");
    regions.push_back({entry->guest_address, entry->size, fd.Take()});
  }
  ASSIGN_OR_RETURN(memory_, vmm::GuestMemory::Import(std::move(regions)));
  return absl::OkStatus();
}

absl::Status DeviceServer::Activate(std::span<const uint8_t> body,
                                    std::vector<SlowFd> fds) {
  ByteReader reader(body);
  const auto header = reader.Read<ActivateHeader>();
  if (!header || active_ || !memory_) return Malformed("kActivate");
  Activation activation{.driver_features = header->driver_features,
                        .memory = &*memory_,
                        .notifier = this,
                        .queues = {}};
  for (size_t i = 0; i + 1 < fds.size(); i += 2) {
    const auto queue = reader.Read<ActivateQueue>();
    if (!queue || queue->index >= interrupts_.size()) {
      return Malformed("kActivate");
    }
    ASSIGN_OR_RETURN(
        Virtqueue virtqueue,
        Virtqueue::Create(&*memory_,
                          {.size = queue->size,
                           .descriptor_table = queue->descriptor_table,
                           .available_ring = queue->available_ring,
                           .used_ring = queue->used_ring,
                           .event_index = queue->event_index != 0,
                           .indirect = queue->indirect != 0}));
    activation.queues.push_back({.index = queue->index,
                                 .queue = std::move(virtqueue),
                                 .kick = EventFd(fds[i].Take())});
    interrupts_[queue->index].emplace(fds[i + 1].Take());
  }
  active_ = true;
  const absl::Status activated = device_->Activate(std::move(activation));
  if (!activated.ok()) Reset();
  return activated;
}

void DeviceServer::Reset() {
  device_->Reset();
  active_ = false;
  for (std::optional<EventFd>& interrupt : interrupts_) interrupt.reset();
  // A guest must not leave this process as large as it could make it.
  malloc_trim(/*pad=*/0);
}

void DeviceServer::ReportCounters() {
  std::string counters = config_.counters();
  if (counters == reported_) return;
  services_->ReportCounters(counters);
  reported_ = std::move(counters);
}

void DeviceServer::NotifyUsedBuffers(uint16_t index) {
  if (interrupts_[index]) interrupts_[index]->Signal();
}

void DeviceServer::NotifyConfigChange() { services_->ReportConfigChange(); }

void DeviceServer::SetNeedsReset() { services_->ReportNeedsReset(); }

}  // namespace nacre::virtio
