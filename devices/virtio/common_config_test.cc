#include "devices/virtio/common_config.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::virtio {
namespace {

using ::testing::ElementsAre;
using Register = CommonConfig::Register;

constexpr uint64_t kRingFeatures =
    kFeatureVersion1 | kFeatureIndirectDesc | kFeatureEventIdx;

class CountingSink : public InterruptSink {
 public:
  void InterruptForQueue(uint16_t /*index*/) override { ++queue; }
  void InterruptForConfig() override { ++config; }
  std::atomic<int> queue = 0;
  std::atomic<int> config = 0;
};

class CommonConfigTest : public ::testing::Test {
 protected:
  CommonConfigTest()
      : registers_(
            *CommonConfig::Create(&device_, &ram_.memory(), &interrupts_)) {}

  uint32_t Read(Register reg) { return registers_->Read(reg); }
  void Write(Register reg, uint64_t value) {
    registers_->Write(reg, static_cast<uint32_t>(value));
  }
  uint8_t status() {
    return static_cast<uint8_t>(Read(Register::kDeviceStatus));
  }
  void SetStatus(uint8_t status) { Write(Register::kDeviceStatus, status); }
  void WriteFeatures(uint64_t features) {
    for (uint32_t i = 0; i < 2; ++i) {
      Write(Register::kDriverFeatureSelect, i);
      Write(Register::kDriverFeature, features >> (32 * i));
    }
  }
  bool Negotiate(uint64_t features) {
    SetStatus(kStatusAcknowledge | kStatusDriver);
    WriteFeatures(features);
    SetStatus(kStatusAcknowledge | kStatusDriver | kStatusFeaturesOk);
    return (status() & kStatusFeaturesOk) != 0;
  }
  void WriteLayout(const QueueLayout& layout) {
    Write(Register::kQueueSize, layout.size);
    Write(Register::kQueueDescLow, layout.descriptor_table);
    Write(Register::kQueueDescHigh, layout.descriptor_table >> 32);
    Write(Register::kQueueDriverLow, layout.available_ring);
    Write(Register::kQueueDriverHigh, layout.available_ring >> 32);
    Write(Register::kQueueDeviceLow, layout.used_ring);
    Write(Register::kQueueDeviceHigh, layout.used_ring >> 32);
  }
  void SetUpQueue(uint16_t index, uint16_t size = 16) {
    Write(Register::kQueueSelect, index);
    WriteLayout(FakeQueue(&ram_, {.size = size}).layout());
    Write(Register::kQueueEnable, 1);
  }
  void SetDriverOk() { SetStatus(status() | kStatusDriverOk); }

  GuestRam ram_;
  EchoDevice device_;
  CountingSink interrupts_;
  std::unique_ptr<CommonConfig> registers_;
};

TEST_F(CommonConfigTest, OffersTheDevicesFeaturesAndTheRings) {
  Write(Register::kDeviceFeatureSelect, 0);
  EXPECT_EQ(Read(Register::kDeviceFeature),
            static_cast<uint32_t>(EchoDevice::kFeatures | kRingFeatures));
  Write(Register::kDeviceFeatureSelect, 1);
  EXPECT_EQ(Read(Register::kDeviceFeature), kRingFeatures >> 32);
}

// Linux from 6.17 on reads four words.
TEST_F(CommonConfigTest, OffersNothingBeyondTheSecondWord) {
  for (const uint32_t select : {2u, 3u, 4u, 0xffffffffu}) {
    Write(Register::kDeviceFeatureSelect, select);
    EXPECT_EQ(Read(Register::kDeviceFeature), 0u) << select;
  }
}

TEST_F(CommonConfigTest, AcceptsWhatItOffers) {
  EXPECT_TRUE(Negotiate(EchoDevice::kFeatures | kRingFeatures));
}

TEST_F(CommonConfigTest, AcceptsASubset) {
  EXPECT_TRUE(Negotiate(kFeatureVersion1));
}

// 2.2.2: FEATURES_OK does not stick for what was not offered.
TEST_F(CommonConfigTest, RefusesFeaturesThatItDoesNotOffer) {
  EXPECT_FALSE(Negotiate(kFeatureVersion1 | uint64_t{1} << 34));
  EXPECT_EQ(status(), kStatusAcknowledge | kStatusDriver);
}

TEST_F(CommonConfigTest, RefusesFeaturesBeyondTheSecondWord) {
  Write(Register::kDriverFeatureSelect, 3);
  Write(Register::kDriverFeature, 1);
  EXPECT_FALSE(Negotiate(kFeatureVersion1));
  Write(Register::kDriverFeatureSelect, 3);
  Write(Register::kDriverFeature, 0);
  EXPECT_TRUE(Negotiate(kFeatureVersion1));
}

TEST_F(CommonConfigTest, RefusesLegacyDrivers) {
  EXPECT_FALSE(Negotiate(EchoDevice::kFeatureOne));
}

TEST_F(CommonConfigTest, RefusesAFeatureWithoutTheOneItNeeds) {
  EXPECT_FALSE(Negotiate(kFeatureVersion1 | EchoDevice::kFeatureNeedsOne));
}

TEST_F(CommonConfigTest, DriverMayTryAgainWithFewerFeatures) {
  EXPECT_FALSE(Negotiate(kFeatureVersion1 | uint64_t{1} << 34));
  EXPECT_TRUE(Negotiate(kFeatureVersion1));
}

// 3.1.1: settled by FEATURES_OK.
TEST_F(CommonConfigTest, FeaturesDoNotChangeAfterFeaturesOk) {
  ASSERT_TRUE(Negotiate(kFeatureVersion1 | EchoDevice::kFeatureOne));
  WriteFeatures(~uint64_t{0});
  SetUpQueue(0);
  SetDriverOk();
  ASSERT_TRUE(device_.active().has_value());
  EXPECT_EQ(device_.active()->driver_features, EchoDevice::kFeatureOne);
}

TEST_F(CommonConfigTest, TellsTheDeviceItsOwnFeaturesOnly) {
  ASSERT_TRUE(Negotiate(EchoDevice::kFeatures | kRingFeatures));
  SetUpQueue(0);
  SetDriverOk();
  EXPECT_EQ(device_.active()->driver_features, EchoDevice::kFeatures);
}

// 3.1.1: DRIVER_OK comes after FEATURES_OK.
TEST_F(CommonConfigTest, NoDriverOkWithoutFeaturesOk) {
  SetUpQueue(0);
  SetStatus(kStatusAcknowledge | kStatusDriver | kStatusDriverOk);
  EXPECT_EQ(status() & kStatusDriverOk, 0);
  EXPECT_FALSE(device_.active().has_value());
}

// 2.1.1: the driver does not clear bits, and NEEDS_RESET is not its to set.
TEST_F(CommonConfigTest, StatusBitsAreOnlyAdded) {
  SetStatus(kStatusAcknowledge | kStatusDriver);
  SetStatus(kStatusAcknowledge);
  EXPECT_EQ(status(), kStatusAcknowledge | kStatusDriver);
  SetStatus(0xff & ~kStatusFeaturesOk & ~kStatusDriverOk);
  EXPECT_EQ(status(), kStatusAcknowledge | kStatusDriver | kStatusFailed);
}

TEST_F(CommonConfigTest, ActivatesTheEnabledQueuesOnly) {
  ASSERT_TRUE(Negotiate(kFeatureVersion1));
  SetUpQueue(1);
  SetDriverOk();
  EXPECT_THAT(device_.active()->queues, ElementsAre(1));
}

TEST_F(CommonConfigTest, SaysHowLargeQueuesMayBe) {
  EXPECT_EQ(Read(Register::kNumQueues), 2u);
  Write(Register::kQueueSelect, 1);
  EXPECT_EQ(Read(Register::kQueueMaxSize), EchoDevice::kQueueSizes[1]);
  EXPECT_EQ(Read(Register::kQueueSize), EchoDevice::kQueueSizes[1]);
}

// 4.1.4.3.1: size 0 where there is no queue.
TEST_F(CommonConfigTest, QueuesThatAreNotThereReadAsZero) {
  for (const uint32_t queue : {2u, 0xffffu}) {
    Write(Register::kQueueSelect, queue);
    WriteLayout(FakeQueue(&ram_, {.size = 16}).layout());
    Write(Register::kQueueEnable, 1);
    EXPECT_EQ(Read(Register::kQueueSize), 0u);
    EXPECT_EQ(Read(Register::kQueueEnable), 0u);
    EXPECT_EQ(Read(Register::kQueueDescLow), 0u);
  }
}

// 4.1.4.3.2: "the driver MUST NOT write a value that is not a power of 2".
TEST_F(CommonConfigTest, IgnoresQueueSizesThatCannotBe) {
  Write(Register::kQueueSize, 32);
  for (const uint32_t size : {0u, 3u, 48u, 128u, 0x10020u, 0x80000000u}) {
    Write(Register::kQueueSize, size);
    EXPECT_EQ(Read(Register::kQueueSize), 32u) << size;
  }
}

TEST_F(CommonConfigTest, QueueAddressesReadBack) {
  const QueueLayout layout = {.size = 8,
                              .descriptor_table = 0x1'2345'6780,
                              .available_ring = 0x2'0000'0002,
                              .used_ring = 0xffff'ffff'ffff'fffc};
  WriteLayout(layout);
  EXPECT_EQ(Read(Register::kQueueDescLow), 0x2345'6780u);
  EXPECT_EQ(Read(Register::kQueueDescHigh), 1u);
  EXPECT_EQ(Read(Register::kQueueDriverLow), 2u);
  EXPECT_EQ(Read(Register::kQueueDriverHigh), 2u);
  EXPECT_EQ(Read(Register::kQueueDeviceLow), 0xffff'fffcu);
  EXPECT_EQ(Read(Register::kQueueDeviceHigh), 0xffff'ffffu);
}

// Hostile: a queue reconfigured while it is live.
TEST_F(CommonConfigTest, EnabledQueuesDoNotChange) {
  ASSERT_TRUE(Negotiate(kFeatureVersion1));
  SetUpQueue(0);
  const uint32_t before = Read(Register::kQueueDescLow);
  Write(Register::kQueueDescLow, 0);
  Write(Register::kQueueSize, 8);
  EXPECT_EQ(Read(Register::kQueueDescLow), before);
  EXPECT_EQ(Read(Register::kQueueSize), 16u);
  SetDriverOk();
  Write(Register::kQueueEnable, 0);
  EXPECT_EQ(Read(Register::kQueueEnable), 1u);
  Write(Register::kQueueSelect, 1);
  Write(Register::kQueueEnable, 1);
  EXPECT_EQ(Read(Register::kQueueEnable), 0u);
}

// 2.1.2, and the VM goes on.
TEST_F(CommonConfigTest, QueuesOutsideRamNeedAReset) {
  ASSERT_TRUE(Negotiate(kFeatureVersion1));
  Write(Register::kQueueEnable, 1);  // All addresses 0.
  SetDriverOk();
  EXPECT_NE(status() & kStatusNeedsReset, 0);
  EXPECT_EQ(interrupts_.config, 1);
  EXPECT_FALSE(device_.active().has_value());
  EXPECT_EQ(registers_->stats().needs_reset, 1u);
}

TEST_F(CommonConfigTest, DeviceThatCannotStartNeedsAReset) {
  device_.FailActivate();
  ASSERT_TRUE(Negotiate(kFeatureVersion1));
  SetUpQueue(0);
  SetDriverOk();
  EXPECT_NE(status() & kStatusNeedsReset, 0);
  SetStatus(0);
  EXPECT_EQ(status(), 0);
  ASSERT_TRUE(Negotiate(kFeatureVersion1));
  SetUpQueue(0);
  SetDriverOk();
  EXPECT_TRUE(device_.active().has_value());
}

TEST_F(CommonConfigTest, DriverOkTwiceActivatesOnce) {
  ASSERT_TRUE(Negotiate(kFeatureVersion1));
  SetUpQueue(0);
  SetDriverOk();
  SetDriverOk();
  EXPECT_TRUE(device_.active().has_value());
}

TEST_F(CommonConfigTest, ResetGoesBackToTheBeginning) {
  ASSERT_TRUE(Negotiate(kFeatureVersion1 | EchoDevice::kFeatureOne));
  SetUpQueue(1);
  SetDriverOk();
  registers_->Kick(1);
  SetStatus(0);
  EXPECT_EQ(status(), 0);
  EXPECT_FALSE(device_.active().has_value());
  EXPECT_EQ(Read(Register::kQueueSelect), 0u);
  Write(Register::kQueueSelect, 1);
  EXPECT_EQ(Read(Register::kQueueEnable), 0u);
  EXPECT_EQ(Read(Register::kQueueSize), EchoDevice::kQueueSizes[1]);
  EXPECT_EQ(Read(Register::kQueueDescLow), 0u);
  Write(Register::kDriverFeatureSelect, 1);
  EXPECT_EQ(Read(Register::kDriverFeature), 0u);
  EXPECT_EQ(registers_->kick(1).Clear(), 0u);  // No stale kick.
}

TEST_F(CommonConfigTest, ConfigGenerationChangesWithTheConfiguration) {
  ASSERT_TRUE(Negotiate(kFeatureVersion1));
  SetUpQueue(0);
  SetDriverOk();
  const uint32_t before = Read(Register::kConfigGeneration);
  device_.ChangeConfig(1);
  EXPECT_NE(Read(Register::kConfigGeneration), before);
  EXPECT_EQ(interrupts_.config, 1);
}

// 2.1.2: nothing is sent before DRIVER_OK.
TEST_F(CommonConfigTest, NoInterruptBeforeDriverOk) {
  registers_->NotifyConfigChange();
  EXPECT_EQ(interrupts_.config, 0);
}

TEST_F(CommonConfigTest, KickOfAQueueThatIsNotThereIsIgnored) {
  registers_->Kick(2);
  registers_->Kick(0xffff);
}

TEST(CommonConfigLifeTest, ResetsTheDeviceWhenItGoes) {
  GuestRam ram;
  EchoDevice device;
  CountingSink interrupts;
  {
    auto registers = *CommonConfig::Create(&device, &ram.memory(), &interrupts);
  }
  EXPECT_EQ(device.resets(), 1);
}

}  // namespace
}  // namespace nacre::virtio
