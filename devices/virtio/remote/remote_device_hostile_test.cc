// A device's process in the hands of a guest, against the VMM's process.

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/bytes.h"
#include "base/mapping.h"
#include "base/mutex.h"
#include "base/slow_fd.h"
#include "base/testing/lingering_socket.h"
#include "devices/virtio/remote/channel.h"
#include "devices/virtio/remote/device_services.h"
#include "devices/virtio/remote/messages.h"
#include "devices/virtio/remote/remote_device.h"
#include "devices/virtio/testing/fake_driver.h"
#include "gtest/gtest.h"

namespace nacre::virtio {
namespace {

using std::chrono_literals::operator""ms;
constexpr Channel::TimeLimit kForEver = std::nullopt;

class CountingServices final : public DeviceServices {
 public:
  absl::Status MapRegion(uint64_t, uint64_t, uint64_t, int) override {
    ++calls;
    if (on_map) on_map();
    return absl::OkStatus();
  }
  absl::Status UnmapRegion(uint64_t) override { return absl::OkStatus(); }
  absl::Status ClearRegion() override {
    ++clears;
    return absl::OkStatus();
  }
  absl::StatusOr<Fd> OpenNode() override { return CreateMemfd("node", 4096); }

  std::function<void()> on_map;
  std::atomic<int> calls = 0;
  std::atomic<int> clears = 0;
};

// The test is the device: it answers what it likes on the control channel, on
// a thread, and sends what it likes on the services channel.
class HostileDeviceTest : public testing::Test {
 protected:
  HostileDeviceTest()
      : HostileDeviceTest(*Channel::CreatePair(), *Channel::CreatePair()) {}
  ~HostileDeviceTest() override {
    remote_.reset();
    if (answering_.joinable()) answering_.join();
  }

  // Answers as an honest device would; `misbehave` may answer in its place, by
  // returning true.
  void Answer(std::function<bool(MessageType)> misbehave) {
    answering_ = std::thread([this, misbehave = std::move(misbehave)] {
      for (;;) {
        auto packet = control_.Receive(Channel::kMaxFds, kForEver);
        if (!packet.ok()) return;
        const auto header = *ByteReader(packet->bytes).Read<MessageHeader>();
        if (misbehave && misbehave(header.type)) continue;
        std::vector<uint8_t> body;
        if (header.type == MessageType::kDescribe) body = Describe(2, 64);
        if (header.type == MessageType::kAcceptsFeatures) body = {1};
        SendReply(control_, absl::OkStatus(), body, {}, kForEver).IgnoreError();
      }
    });
  }

  static std::vector<uint8_t> Describe(uint16_t queues, uint16_t size) {
    const Description description = {.device_features = 0,
                                     .device_id = 42,
                                     .num_queues = queues,
                                     .padding = 0};
    const std::span<const uint8_t> bytes = AsBytes(description);
    std::vector<uint8_t> body(bytes.begin(), bytes.end());
    for (int i = 0; i < queues; ++i) {
      const std::span<const uint8_t> number = AsBytes(size);
      body.insert(body.end(), number.begin(), number.end());
    }
    return body;
  }

  absl::Status Connect(std::chrono::milliseconds limit = 30'000ms) {
    auto remote = RemoteDevice::Create(
        std::move(vmm_control_), std::move(vmm_services_), &services_,
        {.configuration = {},
         .regions = {},
         .reply_limit = limit,
         .stop = [this] { Stop(); },
         .on_lost =
             [this](const RemoteDevice::Loss& loss) {
               MutexLock lock(mutex_);
               why_ = loss.why;
               refused_call_ = loss.refused_call;
               lost_.SignalAll();
             }});
    if (!remote.ok()) return remote.status();
    remote_ = *std::move(remote);
    return absl::OkStatus();
  }

  absl::Status WaitLost() {
    MutexLock lock(mutex_);
    while (!why_) lost_.Wait(mutex_);
    return *why_;
  }

  // From now on a stop on another thread takes until it is released.
  void HoldOtherStops() {
    MutexLock lock(mutex_);
    not_held_ = std::this_thread::get_id();
  }
  void ReleaseStops() {
    MutexLock lock(mutex_);
    not_held_.reset();
    released_.SignalAll();
  }
  void Stop() {
    MutexLock lock(mutex_);
    while (not_held_ && *not_held_ != std::this_thread::get_id()) {
      released_.Wait(mutex_);
    }
    stopped_ = true;
  }

  void Send(MessageType type, std::span<const uint8_t> body,
            std::span<const int> fds = {}) {
    SendMessage(device_services_, type, body, fds, kForEver).IgnoreError();
  }

  CountingServices services_;
  Channel vmm_control_;
  Channel control_;
  Channel vmm_services_;
  Channel device_services_;
  std::thread answering_;
  std::unique_ptr<RemoteDevice> remote_;

  std::atomic<bool> stopped_ = false;
  Mutex mutex_;
  CondVar lost_;
  CondVar released_;
  std::optional<std::thread::id> not_held_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> why_ ABSL_GUARDED_BY(mutex_);
  std::optional<RefusedCall> refused_call_ ABSL_GUARDED_BY(mutex_);

 private:
  HostileDeviceTest(std::pair<Channel, Channel> control,
                    std::pair<Channel, Channel> services)
      : vmm_control_(std::move(control.first)),
        control_(std::move(control.second)),
        vmm_services_(std::move(services.first)),
        device_services_(std::move(services.second)) {}
};

TEST_F(HostileDeviceTest, DescriptionsThatNoTransportCanTakeAreRefused) {
  Answer([this](MessageType type) {
    if (type != MessageType::kDescribe) return false;
    std::vector<uint8_t> body = Describe(1, 3);  // No power of two.
    return SendReply(control_, absl::OkStatus(), body, {}, kForEver).ok();
  });
  EXPECT_TRUE(absl::IsInvalidArgument(Connect()));
}

TEST_F(HostileDeviceTest, ADescriptionShorterThanItSaysIsRefused) {
  Answer([this](MessageType type) {
    if (type != MessageType::kDescribe) return false;
    std::vector<uint8_t> body = Describe(64, 64);
    body.resize(body.size() - 1);
    return SendReply(control_, absl::OkStatus(), body, {}, kForEver).ok();
  });
  EXPECT_TRUE(absl::IsInvalidArgument(Connect()));
}

// The guest's CPU waits for its answers: never longer than the limit.
TEST_F(HostileDeviceTest, ADeviceThatDoesNotAnswerIsLost) {
  Answer([](MessageType type) { return type == MessageType::kReset; });
  ASSERT_TRUE(Connect(500ms).ok());
  remote_->Reset();
  EXPECT_TRUE(absl::IsDeadlineExceeded(WaitLost()));
  EXPECT_TRUE(remote_->lost());
  remote_->Reset();  // At once.
}

// The driver reuses its rings' memory once a reset is over: nobody writes it.
TEST_F(HostileDeviceTest, ALostDeviceIsStoppedBeforeItsResetReturns) {
  Answer([](MessageType type) { return type == MessageType::kReset; });
  ASSERT_TRUE(Connect(500ms).ok());
  EXPECT_FALSE(stopped_);
  // The thread of the device stops it, too, but may be late.
  HoldOtherStops();
  remote_->Reset();
  EXPECT_TRUE(stopped_);
  ReleaseStops();
}

// Whatever is under way meanwhile, and at each of them again: the guest goes on
// and may write into the region.
TEST_F(HostileDeviceTest, AResetOfALostDeviceEmptiesItsRegion) {
  Answer([](MessageType type) { return type == MessageType::kReset; });
  ASSERT_TRUE(Connect(500ms).ok());
  remote_->Reset();
  EXPECT_GE(services_.clears, 1);
  WaitLost().IgnoreError();
  const int before = services_.clears;
  remote_->Reset();
  EXPECT_EQ(services_.clears, before + 1);
}

TEST_F(HostileDeviceTest, ALostDeviceIsStoppedBeforeTheDriverIsTold) {
  Answer({});
  ASSERT_TRUE(Connect().ok());
  FakeDriver driver(remote_.get());
  ASSERT_TRUE(driver.Start().ok());
  device_services_.Shutdown();
  driver.WaitNeedsReset();
  EXPECT_TRUE(stopped_);
}

// The guest's CPU waits for all that an activation takes together.
TEST_F(HostileDeviceTest, AnActivationHasOneTimeLimit) {
  std::atomic<int> questions = 0;
  Answer([&](MessageType type) {
    if (type != MessageType::kReset && type != MessageType::kShareMemory) {
      return false;
    }
    // Slower, but answered: by the third all the time has passed.
    ++questions;
    pollfd never = {-1, 0, 0};
    poll(&never, 1, 1200);
    return false;
  });
  ASSERT_TRUE(Connect(2000ms).ok());
  FakeDriver driver(remote_.get());
  EXPECT_FALSE(driver.Start().ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(WaitLost()));
  EXPECT_LE(questions, 2);
}

// Attack: the last descriptor of a file whose close waits, as a render node's
// does. The one after it is refused, with the device, and one is left in the
// socket.
TEST_F(HostileDeviceTest, NobodyWaitsForFilesToBeClosed) {
  ASSERT_TRUE(StartSlowCloser().ok());
  std::array<LingeringSocket, 3> files = {
      MakeLingeringSocket(), MakeLingeringSocket(), MakeLingeringSocket()};
  std::promise<void> closed;
  services_.on_map = [&] { closed.get_future().wait(); };
  Answer({});
  ASSERT_TRUE(Connect().ok());
  for (const LingeringSocket& file : files) {
    const int fd = file.socket.get();
    Send(&file == files.data() ? MessageType::kMapRegion
                               : MessageType::kUnmapRegion,
         AsBytes(MapRegionBody{}), std::span(&fd, 1));
  }
  for (LingeringSocket& file : files) file.socket.Reset();
  closed.set_value();
  EXPECT_TRUE(absl::IsInvalidArgument(WaitLost()));
  EXPECT_EQ(services_.calls, 1);
  remote_.reset();
  EXPECT_GE(PendingSlowCloses(), 1u);
}

// Attack: all that this process may have open, behind one whose close waits.
TEST_F(HostileDeviceTest, FilesThatWaitToBeClosedAreFew) {
  constexpr int kMany = 5000;
  ASSERT_TRUE(StartSlowCloser().ok());
  LingeringSocket slow = MakeLingeringSocket();
  CloseElsewhere(std::move(slow.socket));
  Answer({});
  ASSERT_TRUE(Connect().ok());
  const Fd event(eventfd(0, EFD_CLOEXEC));
  int sent = 0;
  const auto map = [&](int fd) {
    return Ask(device_services_, MessageType::kMapRegion,
               AsBytes(MapRegionBody{}), std::span(&fd, 1), /*max_fds=*/0,
               kForEver)
        .ok();
  };
  while (sent < kMany && map(event.get())) ++sent;
  EXPECT_LT(sent, kMany);
  EXPECT_TRUE(absl::IsResourceExhausted(WaitLost()));
}

// Attack: descriptors under way, which count for the user until they are read.
TEST_F(HostileDeviceTest, WhatNobodyAskedForLosesTheDevice) {
  Answer({});
  ASSERT_TRUE(Connect().ok());
  const Fd memfd = *CreateMemfd("test", 4096);
  const std::vector<int> fds(Channel::kMaxFds, memfd.get());
  SendReply(control_, absl::OkStatus(), {}, fds, kForEver).IgnoreError();
  EXPECT_TRUE(absl::IsInvalidArgument(WaitLost()));
}

TEST_F(HostileDeviceTest, TwoAnswersToOneQuestionLoseTheDevice) {
  Answer([this](MessageType type) {
    if (type != MessageType::kWriteConfig) return false;
    for (int i = 0; i < 2; ++i) {
      SendReply(control_, absl::OkStatus(), {}, {}, kForEver).IgnoreError();
    }
    return true;
  });
  ASSERT_TRUE(Connect().ok());
  remote_->WriteConfig(0, {});
  EXPECT_TRUE(absl::IsInvalidArgument(WaitLost()));
}

TEST_F(HostileDeviceTest, AnAnswerThatIsNoneLosesTheDevice) {
  Answer([this](MessageType type) {
    if (type != MessageType::kReadConfig) return false;
    const std::array<uint8_t, 3> junk = {1, 2, 3};
    return control_.Send(junk, {}, {}, kForEver).ok();
  });
  ASSERT_TRUE(Connect().ok());
  std::array<uint8_t, 4> read = {9, 9, 9, 9};
  remote_->ReadConfig(0, read);
  EXPECT_EQ(read, (std::array<uint8_t, 4>{}));
  EXPECT_TRUE(absl::IsInvalidArgument(WaitLost()));
}

TEST_F(HostileDeviceTest, AnAnswerOfAnotherSizeReadsAsZero) {
  Answer([this](MessageType type) {
    if (type != MessageType::kReadConfig) return false;
    const std::vector<uint8_t> huge(60'000, 0xff);
    return SendReply(control_, absl::OkStatus(), huge, {}, kForEver).ok();
  });
  ASSERT_TRUE(Connect().ok());
  std::array<uint8_t, 4> read = {9, 9, 9, 9};
  remote_->ReadConfig(0, read);
  EXPECT_EQ(read, (std::array<uint8_t, 4>{}));
  EXPECT_FALSE(remote_->lost());
}

TEST_F(HostileDeviceTest, DescriptorsInAnswersAreRefused) {
  const Fd memfd = *CreateMemfd("test", 4096);
  Answer([&](MessageType type) {
    if (type != MessageType::kReset) return false;
    const std::vector<int> fds(100, memfd.get());
    return SendReply(control_, absl::OkStatus(), {}, fds, kForEver).ok();
  });
  ASSERT_TRUE(Connect().ok());
  remote_->Reset();
  EXPECT_TRUE(absl::IsInvalidArgument(WaitLost()));
}

TEST_F(HostileDeviceTest, AMessageOfNoTypeLosesTheDevice) {
  Answer({});
  ASSERT_TRUE(Connect().ok());
  Send(static_cast<MessageType>(999), {});
  EXPECT_TRUE(absl::IsInvalidArgument(WaitLost()));
  EXPECT_EQ(services_.clears, 1);
}

TEST_F(HostileDeviceTest, AMappingWithoutItsFileLosesTheDevice) {
  Answer({});
  ASSERT_TRUE(Connect().ok());
  const MapRegionBody body = {.offset = 0, .size = 4096, .file_offset = 0};
  Send(MessageType::kMapRegion, AsBytes(body));
  EXPECT_TRUE(absl::IsInvalidArgument(WaitLost()));
  EXPECT_EQ(services_.calls, 0);
}

TEST_F(HostileDeviceTest, AMappingOfManyFilesLosesTheDevice) {
  Answer({});
  ASSERT_TRUE(Connect().ok());
  const Fd memfd = *CreateMemfd("test", 4096);
  const std::vector<int> fds(Channel::kMaxFds, memfd.get());
  const MapRegionBody body = {.offset = 0, .size = 4096, .file_offset = 0};
  Send(MessageType::kMapRegion, AsBytes(body), fds);
  EXPECT_TRUE(absl::IsInvalidArgument(WaitLost()));
  EXPECT_EQ(services_.calls, 0);
}

// Attack: questions whose answers are never read, to block the VMM's thread.
TEST_F(HostileDeviceTest, ADeviceThatReadsNoAnswersIsLost) {
  Answer({});
  ASSERT_TRUE(Connect().ok());
  std::thread flood([this] {
    while (SendMessage(device_services_, MessageType::kOpenNode, {}, {}, 1000ms)
               .ok()) {
    }
  });
  // For want of room, even behind the kernel's limit of descriptors under way.
  EXPECT_TRUE(absl::IsDeadlineExceeded(WaitLost()));
  flood.join();
}

// Attack: descriptors under way, while the VMM's thread waits for room.
TEST_F(HostileDeviceTest, NobodyWaitsForRoomForAnswersThatAreNotRead) {
  Answer({});
  ASSERT_TRUE(Connect(std::chrono::hours(1)).ok());
  std::thread flood([this] {
    const UnmapRegionBody body = {.offset = 0};
    while (SendMessage(device_services_, MessageType::kUnmapRegion,
                       AsBytes(body), {}, kForEver)
               .ok()) {
    }
  });
  EXPECT_TRUE(absl::IsDeadlineExceeded(WaitLost()));
  flood.join();
}

TEST_F(HostileDeviceTest, WithoutADriverNobodyIsNotified) {
  Answer({});
  ASSERT_TRUE(Connect().ok());
  Send(MessageType::kNeedsReset, {});
  Send(MessageType::kConfigChanged, {});
  Send(MessageType::kOpenNode, {});
  EXPECT_TRUE(device_services_.Receive(1, kForEver).ok());
  EXPECT_FALSE(remote_->lost());
}

TEST_F(HostileDeviceTest, ADeviceThatDiesLeavesTheDriverToldOfIt) {
  Answer({});
  ASSERT_TRUE(Connect().ok());
  {
    FakeDriver driver(remote_.get());
    ASSERT_TRUE(driver.Start().ok());
    device_services_.Shutdown();
    driver.WaitNeedsReset();
    EXPECT_TRUE(absl::IsUnavailable(WaitLost()));
    driver.Reset();
    EXPECT_FALSE(driver.Start().ok());
  }
  EXPECT_FALSE(remote_->AcceptsFeatures(0));
  EXPECT_TRUE(absl::IsUnavailable(remote_->Activate({})));
  EXPECT_EQ(remote_->device_id(), 42);
}

TEST_F(HostileDeviceTest, ARefusedCallIsTheReason) {
  Answer({});
  ASSERT_TRUE(Connect().ok());
  const RefusedCallBody body = {.number = 59, .architecture = 0xc000003e};
  Send(MessageType::kRefusedCall, AsBytes(body));
  EXPECT_TRUE(absl::IsPermissionDenied(WaitLost()));
  MutexLock lock(mutex_);
  EXPECT_EQ(refused_call_->number, 59);
}

// It ended while it was being answered, or asked, something else.
TEST_F(HostileDeviceTest, ARefusedCallIsTheReasonWhateverElseIsUnderWay) {
  Answer({});
  ASSERT_TRUE(Connect().ok());
  for (int i = 0; i < 3; ++i) Send(MessageType::kOpenNode, {});
  const RefusedCallBody body = {.number = 59, .architecture = 0xc000003e};
  Send(MessageType::kRefusedCall, AsBytes(body));
  device_services_ = Channel(Fd());
  EXPECT_FALSE(WaitLost().ok());
  MutexLock lock(mutex_);
  ASSERT_TRUE(refused_call_.has_value());
  EXPECT_EQ(refused_call_->number, 59);
}

TEST_F(HostileDeviceTest, TheLastReportOutlivesTheDevice) {
  Answer({});
  ASSERT_TRUE(Connect().ok());
  const std::string report = "so far";
  Send(MessageType::kCounters,
       {reinterpret_cast<const uint8_t*>(report.data()), report.size()});
  device_services_.Shutdown();
  WaitLost().IgnoreError();
  EXPECT_EQ(remote_->Counters(), report);
}

}  // namespace
}  // namespace nacre::virtio
