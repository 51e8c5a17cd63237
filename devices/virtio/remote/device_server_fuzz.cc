// Packets of the VMM's process, in any order and of any shape, to a device's.
// The input is a list of them, each a byte that says which and the values it
// takes; see the switch. All are sent before the first is served. However they
// follow each other, each is answered, but for what ends the service.

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/mapping.h"
#include "devices/virtio/remote/channel.h"
#include "devices/virtio/remote/device_server.h"
#include "devices/virtio/remote/messages.h"
#include "devices/virtio/remote/service_client.h"
#include "devices/virtio/split_ring.h"
#include "devices/virtio/virtio_device.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

using std::chrono_literals::operator""ms;
constexpr int kMaxPackets = 40;
constexpr uint64_t kBase = 0x1000'0000;
constexpr uint64_t kRamBytes = 0x10000;
constexpr uint64_t kTable = 0;
constexpr uint64_t kAvailable = 0x1000;
constexpr uint64_t kUsed = 0x2000;

// Serves what its queues hold when it is activated.
class EagerDevice : public VirtioDevice {
 public:
  uint16_t device_id() const override { return 42; }
  uint64_t device_features() const override { return 3; }
  bool AcceptsFeatures(uint64_t features) const override {
    return (features & 3) != 2;
  }
  std::span<const uint16_t> max_queue_sizes() const override {
    static constexpr std::array<uint16_t, 2> kSizes = {64, 16};
    return kSizes;
  }
  std::vector<SharedMemoryRegion> shared_memory_regions() override {
    return {};
  }
  void ReadConfig(uint64_t /*offset*/, std::span<uint8_t> data) override {
    std::ranges::fill(data, uint8_t{1});
  }
  void WriteConfig(uint64_t /*offset*/,
                   std::span<const uint8_t> data) override {
    CHECK_LE(data.size(), Channel::kMaxPacket);
  }
  absl::Status Activate(Activation activation) override {
    CHECK(!active_.has_value()) << "activated twice";
    active_ = std::move(activation);
    active_->notifier->NotifyConfigChange();
    for (ActiveQueue& active : active_->queues) {
      active.kick.Clear();
      for (;;) {
        auto popped = active.queue.Pop();
        if (!popped.ok()) return popped.status();
        if (!popped->has_value()) break;
        active.queue.Complete(**std::move(popped));
      }
      active_->notifier->NotifyUsedBuffers(active.index);
    }
    return absl::OkStatus();
  }
  void Reset() override { active_.reset(); }

 private:
  std::optional<Activation> active_;
};

class Vmm {
 public:
  Vmm(const Channel* channel, ByteReader input)
      : channel_(channel),
        input_(input),
        ram_(CreateMemfd("ram", kRamBytes).value()),
        memory_(Mapping::Shared(ram_.get(), 0, kRamBytes).value()) {}

  void Run() {
    for (int i = 0; i < kMaxPackets && input_.remaining() > 0; ++i) Send();
    CHECK_EQ(shutdown(channel_->fd(), SHUT_WR), 0);
  }

 private:
  uint8_t Byte() { return input_.ReadZeroExtended<uint8_t>(); }
  // Mostly near RAM.
  uint64_t Address(uint64_t usual) {
    const uint8_t code = Byte();
    if (code < 0xc0) return kBase + usual;
    if (code < 0xf0) return kBase + uint64_t{code & 0x3fu} * 0x800;
    return input_.ReadZeroExtended<uint64_t>();
  }
  template <WireType T>
  void Append(const T& value) {
    const std::span<const uint8_t> bytes = AsBytes(value);
    body_.insert(body_.end(), bytes.begin(), bytes.end());
  }
  void AppendBytes(size_t count) {
    for (; count > 0; --count) body_.push_back(Byte());
  }
  void Packet(MessageType type) {
    SendMessage(*channel_, type, body_, fds_, 1000ms).IgnoreError();
  }

  void Send() {
    body_.clear();
    fds_.clear();
    events_.clear();
    const uint8_t which = Byte();
    switch (which % 12) {
      case 0:
        AppendBytes(Byte() % 8);
        return Packet(MessageType::kConfigure);
      case 1:
        return Packet(MessageType::kDescribe);
      case 2:
        Append(FeaturesQuestion{Byte()});
        return Packet(MessageType::kAcceptsFeatures);
      case 3:
        Append(ConfigAccess{Byte(), Byte()});
        return Packet(MessageType::kReadConfig);
      case 4: {
        const uint8_t size = Byte() % 16;
        Append(ConfigAccess{Byte(), Byte() < 0xf0 ? size : size + 1u});
        AppendBytes(size);
        return Packet(MessageType::kWriteConfig);
      }
      case 5:
        for (int i = 1 + which / 12 % 3; i > 0; --i) {
          Append(SharedMemoryEntry{
              Address(0), Byte() < 0xf0 ? kRamBytes : Byte() * 0x1000u});
          fds_.push_back(ram_.get());
        }
        return Packet(MessageType::kShareMemory);
      case 6:
      case 7:
        Activate(which / 12 % 4);
        return Packet(MessageType::kActivate);
      case 8:
        return Packet(MessageType::kReset);
      case 9:
        return Packet(MessageType::kReadCounters);
      case 10: {  // What a driver wrote into its rings.
        const uint64_t at = input_.ReadZeroExtended<uint16_t>() % 0x3000;
        memory_.data()[at] = Byte();
        memory_.data()[kAvailable + kRingIndexOffset] = Byte() % 8;
        return;
      }
      default:  // Anything.
        for (int i = Byte() % 3; i > 0; --i) fds_.push_back(ram_.get());
        AppendBytes(Byte() % 64);
        return Packet(static_cast<MessageType>(Byte()));
    }
  }

  void Activate(int queues) {
    Append(ActivateHeader{Byte()});
    for (int i = 0; i < queues; ++i) {
      const uint8_t code = Byte();
      Append(ActivateQueue{
          .descriptor_table = Address(kTable),
          .available_ring = Address(kAvailable),
          .used_ring = Address(kUsed),
          .index = static_cast<uint16_t>(code < 0xf0 ? i : code & 3),
          .size = static_cast<uint16_t>(Byte() < 0xf0 ? 16 : Byte()),
          .event_index = Bit(code, 1),
          .indirect = Bit(code, 2),
          .padding = 0});
      for (int j = 0; j < 2; ++j) {
        events_.push_back(EventFd::Create().value());
        fds_.push_back(events_.back().fd());
      }
    }
    if (Byte() >= 0xf0 && !fds_.empty()) fds_.pop_back();
  }
  static uint8_t Bit(uint8_t value, int bit) { return (value >> bit) & 1; }

  const Channel* channel_;
  ByteReader input_;
  const Fd ram_;
  const Mapping memory_;
  std::vector<uint8_t> body_;
  std::vector<int> fds_;
  std::vector<EventFd> events_;
};

void Run(std::span<const uint8_t> input) {
  auto [vmm, control] = Channel::CreatePair().value();
  auto [vmm_services, services] = Channel::CreatePair().value();
  Vmm(&vmm, ByteReader(input)).Run();
  EagerDevice device;
  ServiceClient client(std::move(services));
  DeviceServer server(
      std::move(control), &client,
      {.make = [&](absl::string_view text) -> absl::StatusOr<VirtioDevice*> {
         if (text == "bad") return absl::NotFoundError("no such device");
         return &device;
       },
       .counters = [] { return std::string("counters"); }});
  server.Serve().IgnoreError();
  for (;;) {
    auto packet = vmm.Receive(Channel::kMaxFds, 0ms);
    if (!packet.ok()) break;
    CHECK(packet->fds.empty());
    CHECK(ParseReply(*std::move(packet)).ok());
  }
  for (;;) {
    auto packet = vmm_services.Receive(Channel::kMaxFds, 0ms);
    if (!packet.ok()) break;
    CHECK(ParseServiceMessage(*std::move(packet)).ok());
  }
}

}  // namespace
}  // namespace nacre::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nacre::virtio::Run({data, size});
  return 0;
}
