#include "vmm/x86_64/power.h"

#include <cstdint>
#include <optional>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::vmm::x86_64 {
namespace {

using Bytes = std::vector<uint8_t>;

class FakeSink final : public OutcomeSink {
 public:
  void End(Outcome outcome) override { kind = outcome.kind; }
  std::optional<Outcome::Kind> kind;
};

uint8_t ReadByte(IoDevice& device, uint64_t offset) {
  Bytes data = {0xff};
  device.Read(offset, data);
  return data[0];
}

class PowerTest : public testing::Test {
 protected:
  FakeSink sink_;
  PowerDevice power_{sink_};
  I8042Device i8042_{sink_};
};

// ACPI 6.4, 4.8.3.7: SLP_TYP in bits 4:2, SLP_EN is bit 5.
TEST_F(PowerTest, SoftOffPowersOff) {
  power_.Write(PowerDevice::kSleepControl, Bytes{0x34});
  EXPECT_EQ(sink_.kind, Outcome::Kind::kPowerOff);
}

TEST_F(PowerTest, OtherSleepTypesAndNoEnableDoNothing) {
  power_.Write(PowerDevice::kSleepControl, Bytes{0x14});
  power_.Write(PowerDevice::kSleepControl, Bytes{0x2c});
  power_.Write(PowerDevice::kSleepStatus, Bytes{0x80});
  power_.Write(PowerDevice::kSleepControl, Bytes{0x34, 0x34});
  EXPECT_EQ(sink_.kind, std::nullopt);
  EXPECT_EQ(ReadByte(power_, PowerDevice::kSleepStatus), 0);
}

TEST_F(PowerTest, ResetRegisterResets) {
  power_.Write(PowerDevice::kReset, Bytes{0});
  EXPECT_EQ(sink_.kind, std::nullopt);
  power_.Write(PowerDevice::kReset, Bytes{PowerDevice::kResetValue});
  EXPECT_EQ(sink_.kind, Outcome::Kind::kReset);
}

TEST_F(PowerTest, KeyboardControllerResets) {
  EXPECT_EQ(ReadByte(i8042_, 0), 0);  // Nothing to wait for.
  i8042_.Write(0, Bytes{0xd1});
  EXPECT_EQ(sink_.kind, std::nullopt);
  i8042_.Write(0, Bytes{0xfe});
  EXPECT_EQ(sink_.kind, Outcome::Kind::kReset);
}

}  // namespace
}  // namespace nacre::vmm::x86_64
