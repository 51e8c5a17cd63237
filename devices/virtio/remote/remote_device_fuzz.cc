// A device's process in the hands of a guest, which has sent all that it will
// say, answers and questions, before it is asked. The input: a byte of options,
// then a list of steps, each a byte that says which and the values it takes;
// see the switches. Whatever arrives, the transport's calls return, and a
// device that breaks the protocol is lost once, with its region cleared.

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/mapping.h"
#include "devices/virtio/remote/channel.h"
#include "devices/virtio/remote/device_services.h"
#include "devices/virtio/remote/messages.h"
#include "devices/virtio/remote/remote_device.h"
#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

using std::chrono_literals::operator""ms;
constexpr int kMaxSteps = 40;
constexpr uint16_t kQueues = 2;
constexpr uint16_t kQueueSize = 16;

class Services final : public DeviceServices {
 public:
  absl::Status MapRegion(uint64_t offset, uint64_t, uint64_t,
                         int file) override {
    CHECK_GE(file, 0);
    if (offset % 2 != 0) return absl::InvalidArgumentError("odd");
    return absl::OkStatus();
  }
  absl::Status UnmapRegion(uint64_t offset) override {
    if (offset % 2 != 0) return absl::NotFoundError("odd");
    return absl::OkStatus();
  }
  absl::Status ClearRegion() override {
    ++clears;
    return absl::OkStatus();
  }
  absl::StatusOr<Fd> OpenNode() override {
    if (opens++ % 2 != 0) return absl::FailedPreconditionError("no node");
    return CreateMemfd("node", 4096);
  }

  std::atomic<int> clears = 0;
  int opens = 0;
};

class Notifier final : public DriverNotifier {
 public:
  void NotifyUsedBuffers(uint16_t index) override { CHECK_LT(index, 64); }
  void NotifyConfigChange() override {}
  void SetNeedsReset() override {}
};

class Session {
 public:
  explicit Session(std::span<const uint8_t> input) : input_(input) {
    std::tie(vmm_control_, control_) = Channel::CreatePair().value();
    std::tie(vmm_services_, services_) = Channel::CreatePair().value();
  }

  void Run() {
    const uint8_t options = Byte();
    if ((options & 1) == 0) Introduce();
    std::vector<uint8_t> calls;
    for (int i = 0; i < kMaxSteps && input_.remaining() > 0; ++i) {
      const uint8_t step = Byte();
      switch (step % 4) {
        case 0:
          SendAnswer();
          break;
        case 1:
          SendRequest();
          break;
        default:
          calls.push_back(step / 4);
      }
    }
    // Whoever asks for more finds nobody.
    CHECK_EQ(shutdown(control_.fd(), SHUT_WR), 0);
    if ((options & 2) != 0) CHECK_EQ(shutdown(services_.fd(), SHUT_WR), 0);
    Connect(calls);
  }

 private:
  uint8_t Byte() { return input_.ReadZeroExtended<uint8_t>(); }
  template <WireType T>
  void Append(const T& value) {
    const std::span<const uint8_t> bytes = AsBytes(value);
    body_.insert(body_.end(), bytes.begin(), bytes.end());
  }
  void AppendBytes(size_t count) {
    for (; count > 0; --count) body_.push_back(Byte());
  }
  void Reply() {
    SendReply(control_, absl::OkStatus(), body_, {}, 1000ms).IgnoreError();
  }

  void AppendDescription(uint16_t queues, uint16_t size) {
    Append(Description{.device_features = 3,
                       .device_id = 42,
                       .num_queues = queues,
                       .padding = 0});
    for (int i = 0; i < queues % 80; ++i) Append(size);
  }

  // The first two answers as they should be.
  void Introduce() {
    Reply();
    AppendDescription(kQueues, kQueueSize);
    Reply();
  }

  void SendAnswer() {
    body_.clear();
    const uint8_t kind = Byte();
    switch (kind % 8) {
      case 0:
      case 1:
      case 2:
        return Reply();
      case 3:
        AppendBytes(Byte() % 80);
        return Reply();
      case 4:
        AppendDescription(Byte() % 80, static_cast<uint16_t>(Byte()));
        return Reply();
      case 5:
        AppendBytes(Byte() % 16);
        SendReply(control_,
                  absl::Status(static_cast<absl::StatusCode>(1 + Byte() % 16),
                               {reinterpret_cast<const char*>(body_.data()),
                                body_.size()}),
                  {}, {}, 1000ms)
            .IgnoreError();
        return;
      case 6:  // With a descriptor that nobody asked for.
        SendReply(control_, absl::OkStatus(), {},
                  std::array<int, 1>{control_.fd()}, 1000ms)
            .IgnoreError();
        return;
      default:
        AppendBytes(Byte() % 32);
        control_.Send(body_, {}, {}, 1000ms).IgnoreError();
    }
  }

  void SendRequest() {
    body_.clear();
    std::vector<int> fds;
    const Fd file = CreateMemfd("blob", 4096).value();
    auto type = MessageType::kMapRegion;
    const uint8_t kind = Byte();
    switch (kind % 10) {
      case 0:
        Append(MapRegionBody{Byte(), Byte(), Byte()});
        fds.push_back(file.get());
        break;
      case 1:
        type = MessageType::kUnmapRegion;
        Append(UnmapRegionBody{Byte()});
        break;
      case 2:
        type = MessageType::kClearRegion;
        break;
      case 3:
        type = MessageType::kOpenNode;
        break;
      case 4:
        type = MessageType::kConfigChanged;
        break;
      case 5:
        type = MessageType::kNeedsReset;
        break;
      case 6:
        type = MessageType::kCounters;
        AppendBytes(Byte());
        break;
      case 7:
        type = MessageType::kRefusedCall;
        Append(RefusedCallBody{Byte(), Byte()});
        break;
      default:  // Anything.
        type = static_cast<MessageType>(Byte());
        AppendBytes(Byte() % 40);
        if (kind >= 0x80) fds.push_back(file.get());
    }
    SendMessage(services_, type, body_, fds, 1000ms).IgnoreError();
  }

  void Connect(std::span<const uint8_t> calls) {
    Services services;
    Notifier notifier;
    std::atomic<int> losses = 0;
    auto remote = RemoteDevice::Create(
        std::move(vmm_control_), std::move(vmm_services_), &services,
        {.configuration = {},
         .regions = {},
         .on_lost = [&](const RemoteDevice::Loss& loss) {
           CHECK(!loss.why.ok());
           ++losses;
         }});
    if (!remote.ok()) return;
    for (const uint8_t call : calls) Call(**remote, call, notifier);
    remote->reset();
    CHECK_LE(losses, 1);
    CHECK_GE(services.clears, losses);
  }

  void Call(RemoteDevice& device, uint8_t call, Notifier& notifier) {
    std::array<uint8_t, 16> data = {};
    const std::span<uint8_t> some = std::span(data).first(call / 8 % 16);
    switch (call % 8) {
      case 0:
        device.AcceptsFeatures(call);
        break;
      case 1:
        device.ReadConfig(call, some);
        break;
      case 2:
        device.WriteConfig(call, some);
        break;
      case 3:
        CHECK_LE(device.Counters().size(), kMaxCountersBytes);
        break;
      case 4:
        device.Reset();
        break;
      case 5:
        Interrupt();
        break;
      default:
        Activate(device, notifier);
    }
  }

  void Activate(RemoteDevice& device, Notifier& notifier) {
    static auto* const ram = new GuestRam(1 << 20);
    static const auto* const fake = new FakeQueue(ram, {.size = kQueueSize});
    Activation activation{.driver_features = 1,
                          .memory = &ram->memory(),
                          .notifier = &notifier,
                          .queues = {}};
    for (size_t i = 0; i < device.max_queue_sizes().size(); ++i) {
      activation.queues.push_back(
          {.index = static_cast<uint16_t>(i),
           .queue = Virtqueue::Create(&ram->memory(), fake->layout()).value(),
           .kick = EventFd::Create().value()});
    }
    device.Activate(std::move(activation)).IgnoreError();
  }

  // Signals whatever eventfds the device has been given.
  void Interrupt() {
    for (;;) {
      auto packet = control_.Receive(Channel::kMaxFds, 0ms);
      if (!packet.ok()) return;
      const auto header = ByteReader(packet->bytes).Read<MessageHeader>();
      CHECK(header);
      if (header->type != MessageType::kActivate) continue;
      for (Fd& fd : packet->fds) EventFd(std::move(fd)).Signal();
    }
  }

  ByteReader input_;
  std::vector<uint8_t> body_;
  Channel vmm_control_{Fd()};
  Channel control_{Fd()};
  Channel vmm_services_{Fd()};
  Channel services_{Fd()};
};

}  // namespace
}  // namespace nacre::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  nacre::virtio::Session({data, size}).Run();
  return 0;
}
