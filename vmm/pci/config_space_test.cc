#include "vmm/pci/config_space.h"

#include <array>
#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

using ::testing::Each;

constexpr PciIdentity kIdentity = {.vendor_id = 0x1af4,
                                   .device_id = 0x1050,
                                   .revision = 1,
                                   .device_class = 0x0380,
                                   .subsystem_vendor_id = 0x1af4,
                                   .subsystem_id = 0x1100};

template <typename T>
T Read(const ConfigSpace& config, uint16_t offset) {
  T value;
  config.Read(offset, AsWritableBytes(value));
  return value;
}

template <typename T>
void Write(ConfigSpace& config, uint16_t offset, T value) {
  config.Write(offset, AsBytes(value));
}

TEST(ConfigSpaceTest, SaysWhoItIs) {
  const ConfigSpace config(kIdentity);
  EXPECT_EQ(Read<uint32_t>(config, 0), 0x10501af4u);
  EXPECT_EQ(Read<uint32_t>(config, kPciRevision), 0x03800001u);
  EXPECT_EQ(Read<uint32_t>(config, kPciSubsystemVendorId), 0x11001af4u);
}

TEST(ConfigSpaceTest, IsASingleFunctionWithoutAnInterruptPin) {
  const ConfigSpace config(kIdentity);
  EXPECT_EQ(Read<uint8_t>(config, kPciHeaderType), 0);
  EXPECT_EQ(Read<uint8_t>(config, kPciInterruptLine + 1), 0);
}

TEST(ConfigSpaceTest, KeepsWhatTheGuestMayWrite) {
  ConfigSpace config(kIdentity);
  Write<uint16_t>(config, kPciCommand, 0xffff);
  EXPECT_EQ(Read<uint16_t>(config, kPciCommand),
            kPciCommandMemory | kPciCommandMaster | kPciCommandIntxDisable);
  Write<uint8_t>(config, kPciInterruptLine, 11);
  EXPECT_EQ(Read<uint8_t>(config, kPciInterruptLine), 11);
}

TEST(ConfigSpaceTest, KeepsNothingElse) {
  ConfigSpace config(kIdentity);
  for (uint16_t offset = 0; offset < ConfigSpace::kSize; offset += 4) {
    Write<uint32_t>(config, offset, 0xffffffff);
  }
  EXPECT_EQ(Read<uint32_t>(config, 0), 0x10501af4u);
  EXPECT_EQ(Read<uint32_t>(config, kPciBar0), 0u);
  EXPECT_EQ(Read<uint16_t>(config, kPciStatus), 0u);
}

TEST(ConfigSpaceTest, LinksCapabilities) {
  ConfigSpace config(kIdentity);
  const std::array<uint8_t, 3> body = {1, 2, 3};
  const std::array<uint8_t, 3> writable = {0, 0xf0, 0};
  const uint8_t first = config.AddCapability(9, body);
  const uint8_t second = config.AddCapability(5, body, writable);
  EXPECT_NE(Read<uint16_t>(config, kPciStatus) & kPciStatusCapabilities, 0);
  EXPECT_EQ(Read<uint8_t>(config, kPciCapabilityPointer), first);
  EXPECT_EQ(Read<uint8_t>(config, first), 9);
  EXPECT_EQ(Read<uint8_t>(config, first + 1), second);
  EXPECT_EQ(Read<uint8_t>(config, second), 5);
  EXPECT_EQ(Read<uint8_t>(config, second + 1), 0);
  EXPECT_EQ(first % 4, 0);
  EXPECT_EQ(second % 4, 0);
  Write<uint32_t>(config, second, 0xffffffff);
  EXPECT_EQ(Read<uint8_t>(config, second), 5);
  EXPECT_EQ(Read<uint8_t>(config, second + 3), 0xf2);
}

// Hostile: every offset and size, also past the end.
TEST(ConfigSpaceTest, AnswersAnyAccess) {
  ConfigSpace config(kIdentity);
  for (uint16_t offset = 0; offset < 4096; ++offset) {
    for (const size_t size : {1, 2, 4, 8}) {
      std::vector<uint8_t> data(size, 0xff);
      config.Write(offset, data);
      config.Read(offset, data);
      if (offset >= ConfigSpace::kSize) {
        EXPECT_THAT(data, Each(0));
      }
    }
  }
}

}  // namespace
}  // namespace nacre::vmm
