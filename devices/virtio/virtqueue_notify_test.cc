// Who wakes whom: kicks (virtio 1.x, 2.7.10) and interrupts (2.7.7).

#include <optional>
#include <utility>

#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/virtqueue.h"
#include "gtest/gtest.h"

namespace nacre::virtio {
namespace {

class NotifyTest : public ::testing::Test {
 protected:
  explicit NotifyTest(bool event_index)
      : driver_(&ram_, {.size = 16, .event_index = event_index}),
        device_(*Virtqueue::Create(&ram_.memory(), driver_.layout())) {}

  void Submit() { driver_.Chain().Writable(4).Submit(); }
  void Serve() { device_.Complete(*std::move(*device_.Pop())); }

  GuestRam ram_;
  FakeQueue driver_;
  Virtqueue device_;
};

class FlagsTest : public NotifyTest {
 protected:
  FlagsTest() : NotifyTest(/*event_index=*/false) {}
};

class EventIndexTest : public NotifyTest {
 protected:
  EventIndexTest() : NotifyTest(/*event_index=*/true) {}
};

TEST_F(FlagsTest, NoInterruptWithoutACompletion) {
  EXPECT_FALSE(device_.NeedsInterrupt());
}

TEST_F(FlagsTest, OneInterruptForABatch) {
  Submit();
  Submit();
  Serve();
  Serve();
  EXPECT_TRUE(device_.NeedsInterrupt());
  EXPECT_FALSE(device_.NeedsInterrupt());
}

TEST_F(FlagsTest, NoInterruptWhereTheDriverPolls) {
  driver_.DisableInterrupts();
  Submit();
  Serve();
  EXPECT_FALSE(device_.NeedsInterrupt());
}

TEST_F(FlagsTest, DisabledKicksAreNotMade) {
  device_.DisableKicks();
  Submit();
  EXPECT_FALSE(driver_.NeedsKick());
  EXPECT_TRUE(device_.EnableKicks());  // It came meanwhile.
  Serve();
  EXPECT_FALSE(device_.EnableKicks());
  Submit();
  EXPECT_TRUE(driver_.NeedsKick());
}

TEST_F(EventIndexTest, NoInterruptWithoutACompletion) {
  EXPECT_FALSE(device_.NeedsInterrupt());
}

TEST_F(EventIndexTest, OneInterruptForABatch) {
  Submit();
  Submit();
  Serve();
  Serve();
  EXPECT_TRUE(device_.NeedsInterrupt());
  EXPECT_FALSE(device_.NeedsInterrupt());
}

TEST_F(EventIndexTest, NoSecondInterruptBeforeTheDriverHasCaughtUp) {
  Submit();
  Serve();
  EXPECT_TRUE(device_.NeedsInterrupt());
  Submit();
  Serve();
  EXPECT_FALSE(device_.NeedsInterrupt());
  while (driver_.PopUsed()) {
  }
  Submit();
  Serve();
  EXPECT_TRUE(device_.NeedsInterrupt());
}

TEST_F(EventIndexTest, InterruptsOnlyAtTheCompletionAskedFor) {
  driver_.WriteUsedEvent(2);
  for (int i = 0; i < 3; ++i) Submit();
  Serve();
  EXPECT_FALSE(device_.NeedsInterrupt());
  Serve();
  EXPECT_FALSE(device_.NeedsInterrupt());
  Serve();
  EXPECT_TRUE(device_.NeedsInterrupt());
}

TEST_F(EventIndexTest, NoInterruptWhereTheDriverPolls) {
  for (int i = 0; i < 1000; ++i) {
    driver_.DisableInterrupts();
    Submit();
    Serve();
    EXPECT_FALSE(device_.NeedsInterrupt());
    ASSERT_TRUE(driver_.PopUsed());
  }
}

TEST_F(EventIndexTest, DisabledKicksAreNotMade) {
  EXPECT_FALSE(device_.EnableKicks());
  Submit();
  EXPECT_TRUE(driver_.NeedsKick());
  device_.DisableKicks();
  Submit();
  EXPECT_FALSE(driver_.NeedsKick());
  EXPECT_TRUE(device_.EnableKicks());
  Serve();
  Serve();
  EXPECT_FALSE(device_.EnableKicks());
  Submit();
  EXPECT_TRUE(driver_.NeedsKick());
}

TEST_F(EventIndexTest, InterruptsGoOnWhenTheIndexesWrap) {
  for (int i = 0; i < 70'000; ++i) {
    Submit();
    Serve();
    ASSERT_TRUE(device_.NeedsInterrupt()) << i;
    ASSERT_TRUE(driver_.PopUsed());
  }
}

// A batch so large that the 16-bit indexes come round to where they were.
TEST_F(EventIndexTest, InterruptsAfterABatchOfTheWholeIndexRange) {
  for (int i = 0; i < 0x10000; ++i) {
    Submit();
    Serve();
    driver_.DisableInterrupts();
    ASSERT_TRUE(driver_.PopUsed());
  }
  EXPECT_TRUE(device_.NeedsInterrupt());
}

}  // namespace
}  // namespace nacre::virtio
