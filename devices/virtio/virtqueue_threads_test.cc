// A driver and a device at the same time, with nothing between them but the
// rings and the wake-ups that these ask for: what one stored has to be visible
// to the other (virtio 1.x, 2.7.13), and no wake-up may be lost between them
// (2.7.7, 2.7.10). TSan finds a missing acquire or release anywhere; a
// processor that orders little (arm64) does at times, and now and then finds a
// missing fence.

#include <chrono>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/bytes.h"
#include "base/mutex.h"
#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/virtqueue.h"
#include "gtest/gtest.h"

namespace nacre::virtio {
namespace {

constexpr uint32_t kRequests = 20000;

// What a kick or an interrupt is: rings before a Wait are one.
class Bell {
 public:
  void Ring() {
    MutexLock lock(mutex_);
    rung_ = true;
    condition_.Signal();
  }
  // False if it was not rung for longer than any test takes.
  bool Wait() {
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::seconds(30);
    MutexLock lock(mutex_);
    while (!rung_) {
      if (!condition_.WaitUntil(mutex_, deadline)) return false;
    }
    rung_ = false;
    return true;
  }

 private:
  Mutex mutex_;
  CondVar condition_;
  bool rung_ ABSL_GUARDED_BY(mutex_) = false;
};

class ThreadsTest : public ::testing::TestWithParam<bool> {
 protected:
  ThreadsTest()
      : driver_(&ram_, {.size = 16, .event_index = GetParam()}),
        device_(*Virtqueue::Create(&ram_.memory(), driver_.layout())) {}

  // Answers each request with its complement, until kRequests are answered.
  void RunDevice() {
    for (uint32_t served = 0; served < kRequests;) {
      ASSERT_TRUE(kick_.Wait()) << "the device slept on, after " << served;
      device_.DisableKicks();
      do {
        while (std::optional<DescriptorChain> chain = *device_.Pop()) {
          uint32_t request = 0;
          ASSERT_TRUE(chain->Read(AsWritableBytes(request)).ok());
          const uint32_t answer = ~request;
          ASSERT_TRUE(chain->Write(AsBytes(answer)).ok());
          device_.Complete(*std::move(chain));
          ++served;
        }
        if (device_.NeedsInterrupt()) interrupt_.Ring();
      } while (device_.EnableKicks());
    }
  }

  GuestRam ram_;
  FakeQueue driver_;
  Virtqueue device_;
  Bell kick_;
  Bell interrupt_;
};

TEST_P(ThreadsTest, EveryRequestIsSeenWholeAndAnswered) {
  std::thread device([this] { RunDevice(); });
  uint32_t sent = 0;
  uint32_t answered = 0;
  while (answered < kRequests) {
    // As many as there is room for, and at times fewer, so that the device
    // runs dry now and then.
    while (sent < kRequests && sent - answered < 1 + sent % 12) {
      driver_.Chain().Readable(AsBytes(sent)).Writable(sizeof(sent)).Submit();
      ++sent;
    }
    if (driver_.NeedsKick()) kick_.Ring();
    std::optional<UsedChain> used = driver_.PopUsed();
    if (!used) {
      if (!interrupt_.Wait()) {
        ADD_FAILURE() << "the driver slept on, after " << answered;
        break;
      }
      continue;
    }
    uint32_t answer = 0;
    ASSERT_EQ(used->response.size(), sizeof(answer));
    std::memcpy(&answer, used->response.data(), sizeof(answer));
    ASSERT_EQ(answer, ~answered);
    ++answered;
  }
  device.join();
}

INSTANTIATE_TEST_SUITE_P(Flags, ThreadsTest, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(EventIndex, ThreadsTest, ::testing::Values(true));

}  // namespace
}  // namespace nacre::virtio
