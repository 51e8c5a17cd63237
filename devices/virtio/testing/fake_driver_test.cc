#include "devices/virtio/testing/fake_driver.h"

#include <cstdint>
#include <vector>

#include "devices/virtio/testing/echo_device.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::virtio {
namespace {

using ::testing::ElementsAre;

constexpr std::array<uint8_t, 4> kRequest = {1, 2, 3, 4};

TEST(FakeDriverTest, CallsADevice) {
  EchoDevice device;
  FakeDriver driver(&device);
  ASSERT_TRUE(driver.Start().ok());
  EXPECT_THAT(driver.Call(0, kRequest, 4), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(driver.Call(1, kRequest, 4), ElementsAre(1, 2, 3, 4));
}

TEST(FakeDriverTest, WorksWithEitherKindOfNotificationAndDescriptor) {
  for (const bool event_index : {false, true}) {
    for (const bool indirect : {false, true}) {
      EchoDevice device;
      FakeDriver driver(&device,
                        {.event_index = event_index, .indirect = indirect});
      ASSERT_TRUE(driver.Start().ok());
      for (int i = 0; i < 500; ++i) {
        ASSERT_THAT(driver.Call(0, kRequest, 3), ElementsAre(1, 2, 3));
      }
    }
  }
}

TEST(FakeDriverTest, SubmitsManyAndKicksOnce) {
  EchoDevice device;
  FakeDriver driver(&device);
  ASSERT_TRUE(driver.Start().ok());
  for (int i = 0; i < 64; ++i) {
    driver.queue(0).Chain().Readable(kRequest).Writable(4).Submit();
  }
  driver.Kick(0);
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(driver.WaitUsed(0).written, 4u);
  }
  EXPECT_EQ(driver.queue(0).outstanding(), 0u);
}

TEST(FakeDriverTest, RefusesWhatTheDeviceRefuses) {
  EchoDevice device;
  FakeDriver driver(&device, {.features = EchoDevice::kFeatureNeedsOne});
  EXPECT_EQ(driver.Start().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(FakeDriverTest, StartsAgainAfterAReset) {
  EchoDevice device;
  FakeDriver driver(&device);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(driver.Start().ok());
    EXPECT_THAT(driver.Call(0, kRequest, 1), ElementsAre(1));
    driver.Reset();
  }
}

TEST(FakeDriverTest, SeesABrokenDevice) {
  EchoDevice device;
  FakeDriver driver(&device);
  ASSERT_TRUE(driver.Start().ok());
  driver.queue(0).SubmitHead(0xffff);
  driver.Kick(0);
  driver.WaitNeedsReset();
  EXPECT_TRUE(driver.needs_reset());
}

TEST(FakeDriverTest, SeesConfigChanges) {
  EchoDevice device;
  FakeDriver driver(&device);
  ASSERT_TRUE(driver.Start().ok());
  device.ChangeConfig(1);
  driver.WaitConfigChanges(1);
  EXPECT_EQ(driver.config_changes(), 1);
}

}  // namespace
}  // namespace nacre::virtio
