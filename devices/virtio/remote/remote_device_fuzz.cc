// A device's process in the hands of a guest: it answers what the VMM asks, and
// asks itself, as the input says, and as it should once the input says nothing
// more. The input: a byte of options, then a list of steps, each a byte that
// says which and the values it takes; see the switches. Whatever is said, the
// transport's calls return, and a device that breaks the protocol is lost once,
// with its region cleared.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
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
#include "devices/virtio/remote/service_client.h"
#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

constexpr std::chrono::milliseconds kLimit(1000);
constexpr int kMaxSteps = 60;
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
  void NotifyUsedBuffers(uint16_t index) override {
    CHECK_LT(index, kMaxRemoteQueues);
    CHECK(!gone_);
  }
  void NotifyConfigChange() override { CHECK(!gone_); }
  void SetNeedsReset() override { CHECK(!gone_); }
  void SetQueueEvent(uint16_t index, const EventFd* event) override {
    CHECK(!gone_);
    events_[index] = event;
  }

  // Nobody may call it any more.
  void End() {
    gone_ = true;
    for (const auto& [index, event] : events_) CHECK(event == nullptr);
  }

 private:
  std::atomic<bool> gone_ = false;
  std::map<uint16_t, const EventFd*> events_;
};

// What the device's process does once it has been asked something.
struct Act {
  bool answers = false;  // Else a question or a report of its own.
  uint8_t kind = 0;
  std::array<uint8_t, 3> numbers = {};
  std::vector<uint8_t> bytes;
};

// The device's process, a thread here.
class Process {
 public:
  Process(Channel control, Channel services, std::vector<Act> acts,
          bool introduces_itself)
      : control_(std::move(control)),
        services_(Fd(dup(services.fd()))),
        client_(std::move(services)),
        acts_(std::move(acts)),
        introduces_itself_(introduces_itself) {}

  // Until the VMM's ends are closed.
  void Run() {
    for (int asked = 0;; ++asked) {
      absl::StatusOr<Channel::Packet> packet =
          control_.Receive(Channel::kMaxFds, std::nullopt);
      if (!packet.ok()) return;
      Understand(*std::move(packet));
      bool answered = false;
      while ((asked >= 2 || !introduces_itself_) && !answered &&
             next_ < acts_.size()) {
        const Act& act = acts_[next_++];
        if (act.answers) {
          Answer(act);
          answered = true;
        } else {
          Speak(act);
        }
      }
      if (!answered) Reply(RightBody());
    }
  }

 private:
  void Understand(Channel::Packet packet) {
    ByteReader reader(packet.bytes);
    const auto header = reader.Read<MessageHeader>();
    CHECK(header);
    question_ = header->type;
    access_ = question_ == MessageType::kReadConfig
                  ? reader.Read<ConfigAccess>().value()
                  : ConfigAccess();
    if (question_ != MessageType::kActivate) return;
    events_.clear();
    for (SlowFd& fd : packet.fds) events_.emplace_back(fd.Take());
  }

  template <WireType T>
  static void Append(std::vector<uint8_t>& to, const T& value) {
    const std::span<const uint8_t> bytes = AsBytes(value);
    to.insert(to.end(), bytes.begin(), bytes.end());
  }
  static std::vector<uint8_t> DescriptionOf(uint16_t queues, uint16_t size) {
    std::vector<uint8_t> body;
    Append(body, Description{.device_features = 3,
                             .device_id = 42,
                             .num_queues = queues,
                             .padding = 0});
    for (int i = 0; i < queues; ++i) Append(body, size);
    return body;
  }
  std::vector<uint8_t> RightBody() const {
    switch (question_) {
      case MessageType::kDescribe:
        return DescriptionOf(kQueues, kQueueSize);
      case MessageType::kAcceptsFeatures:
        return {1};
      case MessageType::kReadConfig:
        return std::vector<uint8_t>(access_.size, 7);
      case MessageType::kReadCounters:
        return std::vector<uint8_t>(100, 'c');
      default:
        return {};
    }
  }
  void Reply(std::span<const uint8_t> body, std::span<const int> fds = {}) {
    SendReply(control_, absl::OkStatus(), body, fds, kLimit).IgnoreError();
  }

  void Answer(const Act& act) {
    const auto [first, second, third] = act.numbers;
    // Once all that was said before has been heard.
    if (third % 2 == 0) client_.UnmapRegion(0).IgnoreError();
    std::vector<uint8_t> body = RightBody();
    switch (act.kind % 10) {
      case 0:
      case 1:
        return Reply(body);
      case 2:
        if (!body.empty()) body[first % body.size()] ^= second;
        return Reply(body);
      case 3:
        body.resize(first);
        return Reply(body);
      case 4:
        return Reply(DescriptionOf(first % 80, second));
      case 5:
        SendReply(control_,
                  absl::Status(static_cast<absl::StatusCode>(1 + first % 16),
                               std::string(act.bytes.begin(), act.bytes.end())),
                  {}, {}, kLimit)
            .IgnoreError();
        return;
      case 6:  // With a descriptor that nobody asked for.
        return Reply(body, std::array<int, 1>{control_.fd()});
      case 7:
        control_.Send(act.bytes, {}, {}, kLimit).IgnoreError();
        return;
      case 8:
        Reply(body);
        return Reply(body);
      default:
        return control_.Shutdown();
    }
  }

  void Speak(const Act& act) {
    const auto [first, second, third] = act.numbers;
    const Fd file = CreateMemfd("blob", 4096).value();
    switch (act.kind % 12) {
      case 0:
        client_.MapRegion(first, second, third, file.get()).IgnoreError();
        break;
      case 1:
        client_.UnmapRegion(first).IgnoreError();
        break;
      case 2:
        client_.ClearRegion().IgnoreError();
        break;
      case 3:
        client_.OpenNode().status().IgnoreError();
        break;
      case 4:
        client_.ReportConfigChange();
        break;
      case 5:
        client_.ReportNeedsReset();
        break;
      case 6:  // Up to what is too long.
        client_.ReportCounters(std::string(first * size_t{200}, 'c'));
        break;
      case 7: {
        std::vector<uint8_t> body;
        Append(body, RefusedCallBody{first, second});
        SendMessage(services_, MessageType::kRefusedCall, body, {}, kLimit)
            .IgnoreError();
        break;
      }
      case 8:
        for (const EventFd& event : events_) event.Signal();
        break;
      case 9:
        if (first < 0x20) services_.Shutdown();
        break;
      default: {  // Anything.
        std::array<int, 1> fds = {file.get()};
        SendMessage(services_, static_cast<MessageType>(first % 24), act.bytes,
                    std::span(fds).first(second % 2), kLimit)
            .IgnoreError();
      }
    }
  }

  Channel control_;
  const Channel services_;  // `client_`'s, for what that never says.
  ServiceClient client_;
  const std::vector<Act> acts_;
  const bool introduces_itself_;
  size_t next_ = 0;
  // The last question, and what it was about.
  MessageType question_ = MessageType::kReply;
  ConfigAccess access_ = {};
  std::vector<EventFd> events_;
};

// The transport, in the VMM.
class Transport {
 public:
  explicit Transport(RemoteDevice* device) : device_(*device) {}
  ~Transport() {
    device_.Reset();
    notifier_.End();
  }

  void Call(uint8_t call) {
    std::array<uint8_t, 96> data = {};
    const std::span<uint8_t> some =
        std::span(data).first(call / 8 * size_t{12});
    switch (call % 8) {
      case 0:
        device_.AcceptsFeatures(call);
        break;
      case 1:
        device_.ReadConfig(call, some);
        break;
      case 2:
        device_.WriteConfig(call, some);
        break;
      case 3:
        CHECK_LE(device_.Counters().size(), kMaxCountersBytes);
        break;
      case 4:
        device_.Reset();
        break;
      case 5:
        CHECK_LE(device_.max_queue_sizes().size(), kMaxRemoteQueues);
        CHECK(device_.shared_memory_regions().empty());
        break;
      default:
        Activate();
    }
  }

 private:
  void Activate() {
    static auto* const ram = new GuestRam(1 << 20);
    static const auto* const fake = new FakeQueue(ram, {.size = kQueueSize});
    Activation activation{.driver_features = device_.device_features(),
                          .memory = &ram->memory(),
                          .notifier = &notifier_,
                          .queues = {}};
    for (size_t i = 0; i < device_.max_queue_sizes().size(); ++i) {
      activation.queues.push_back(
          {.index = static_cast<uint16_t>(i),
           .queue = Virtqueue::Create(&ram->memory(), fake->layout()).value(),
           .kick = EventFd::Create().value()});
    }
    const bool was_lost = device_.lost();
    const absl::Status activated = device_.Activate(std::move(activation));
    CHECK(!was_lost || !activated.ok());
  }

  RemoteDevice& device_;
  Notifier notifier_;
};

class Input {
 public:
  explicit Input(std::span<const uint8_t> bytes) : input_(bytes) {
    const uint8_t options = Byte();
    introduces_itself = (options & 1) == 0;
    for (int i = 0; i < kMaxSteps && input_.remaining() > 0; ++i) {
      const uint8_t step = Byte();
      if (step % 4 >= 2) {
        calls.push_back(step / 4);
        continue;
      }
      Act& act = acts.emplace_back();
      act.answers = step % 4 == 0;
      act.kind = Byte();
      act.numbers = input_.ReadZeroExtended<std::array<uint8_t, 3>>();
      for (int n = step / 4; n > 0; --n) act.bytes.push_back(Byte());
    }
  }

  bool introduces_itself = false;
  std::vector<uint8_t> calls;
  std::vector<Act> acts;

 private:
  uint8_t Byte() { return input_.ReadZeroExtended<uint8_t>(); }

  ByteReader input_;
};

void Run(Input input) {
  auto [vmm_control, control] = Channel::CreatePair().value();
  auto [vmm_services, services] = Channel::CreatePair().value();
  Process process(std::move(control), std::move(services),
                  std::move(input.acts), input.introduces_itself);
  std::thread thread([&process] { process.Run(); });
  Services vmm_side;
  std::atomic<int> stops = 0;
  std::atomic<int> losses = 0;
  auto remote = RemoteDevice::Create(std::move(vmm_control),
                                     std::move(vmm_services), &vmm_side,
                                     {.configuration = "device",
                                      .regions = {},
                                      .stop = [&] { ++stops; },
                                      .on_lost =
                                          [&](const RemoteDevice::Loss& loss) {
                                            CHECK(!loss.why.ok());
                                            CHECK_GE(stops, 1);
                                            CHECK_GE(vmm_side.clears, 1);
                                            ++losses;
                                          }});
  if (remote.ok()) {
    {
      Transport transport(remote->get());
      for (const uint8_t call : input.calls) transport.Call(call);
    }
    const bool lost = (*remote)->lost();
    remote->reset();
    CHECK_GE(losses, lost ? 1 : 0);
  }
  CHECK_LE(losses, 1);
  thread.join();
}

}  // namespace
}  // namespace nacre::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  nacre::virtio::Run(nacre::virtio::Input({data, size}));
  return 0;
}
