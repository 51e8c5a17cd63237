#include "vmm/pci/pci_bus.h"

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

using ::testing::Each;

constexpr PciWindows kWindows = {.low = {0xc000'0000, 0x1000'0000},
                                 .high = {0x40'0000'0000, 0x1'0000'0000}};

class PciBusTest : public ::testing::Test {
 protected:
  PciBusTest() {
    EXPECT_TRUE(
        bus_.Add({.device = 2}, std::make_unique<PciDevice>(PciIdentity{
                                    .vendor_id = 0x1af4, .device_id = 0x1050}))
            .ok());
  }

  template <typename T>
  T In(uint16_t port) {
    T value;
    ports_.Read(port - 0xcf8, AsWritableBytes(value));
    return value;
  }
  template <typename T>
  void Out(uint16_t port, T value) {
    ports_.Write(port - 0xcf8, AsBytes(value));
  }
  template <typename T>
  T EcamRead(uint64_t offset) {
    T value;
    ecam_.Read(offset, AsWritableBytes(value));
    return value;
  }

  PciBus bus_{kWindows};
  PciConfigPorts ports_{&bus_};
  PciEcam ecam_{&bus_};
};

// What Linux's pci_check_type1 and pci_sanity_check do.
TEST_F(PciBusTest, LinuxBelievesInThePorts) {
  Out<uint8_t>(0xcfb, 1);
  Out<uint32_t>(0xcf8, 0x8000'0000);
  EXPECT_EQ(In<uint32_t>(0xcf8), 0x8000'0000u);
  Out<uint32_t>(0xcf8, 0x8000'0008);
  EXPECT_EQ(In<uint16_t>(0xcfe), 0x0600);  // A host bridge.
}

TEST_F(PciBusTest, PortsReadAnyPartOfTheDword) {
  Out<uint32_t>(0xcf8, 0x8000'0000 | 2 << 11);
  EXPECT_EQ(In<uint32_t>(0xcfc), 0x10501af4u);
  EXPECT_EQ(In<uint16_t>(0xcfe), 0x1050);
  EXPECT_EQ(In<uint8_t>(0xcfd), 0x1a);
  EXPECT_EQ(In<uint8_t>(0xcff), 0x10);
}

TEST_F(PciBusTest, PortsWriteAnyPartOfTheDword) {
  Out<uint32_t>(0xcf8, 0x8000'0000 | 2 << 11 | kPciInterruptLine);
  Out<uint8_t>(0xcfc, 5);
  EXPECT_EQ(EcamRead<uint8_t>((2 << 15) + kPciInterruptLine), 5);
  Out<uint32_t>(0xcf8, 0x8000'0000 | 2 << 11 | kPciCommand);
  Out<uint16_t>(0xcfc, kPciCommandMaster);
  EXPECT_EQ(EcamRead<uint16_t>((2 << 15) + kPciCommand), kPciCommandMaster);
}

TEST_F(PciBusTest, PortsSelectNothingWithoutTheEnableBit) {
  Out<uint32_t>(0xcf8, 2 << 11);
  EXPECT_EQ(In<uint32_t>(0xcfc), 0xffffffffu);
}

TEST_F(PciBusTest, EcamReadsTheSame) {
  EXPECT_EQ(EcamRead<uint32_t>(2 << 15), 0x10501af4u);
  EXPECT_EQ(EcamRead<uint64_t>(2 << 15) & 0xffffffff, 0x10501af4u);
  EXPECT_EQ(EcamRead<uint16_t>(kPciRevision + 2), 0x0600);
}

TEST_F(PciBusTest, ExtendedConfigurationSpaceIsEmpty) {
  EXPECT_EQ(EcamRead<uint32_t>((2 << 15) + 0x100), 0u);
}

TEST_F(PciBusTest, NothingAnswersWhereNothingIs) {
  EXPECT_EQ(EcamRead<uint32_t>(1 << 15), 0xffffffffu);  // No such device.
  EXPECT_EQ(EcamRead<uint32_t>(1 << 12), 0xffffffffu);  // Function 1 of 0.
  EXPECT_EQ(EcamRead<uint32_t>(1 << 20), 0xffffffffu);  // Bus 1.
  EXPECT_EQ(EcamRead<uint32_t>(0xff << 20), 0xffffffffu);
  Out<uint32_t>(0xcf8, 0x8001'0000);
  EXPECT_EQ(In<uint32_t>(0xcfc), 0xffffffffu);
}

// Scanning stops at function 0 of each device.
TEST_F(PciBusTest, NoDeviceIsMultifunction) {
  EXPECT_EQ(EcamRead<uint8_t>(kPciHeaderType), 0);
  EXPECT_EQ(EcamRead<uint8_t>((2 << 15) + kPciHeaderType), 0);
}

TEST_F(PciBusTest, RefusesAPlaceThatIsTakenOrNone) {
  const auto add = [&](uint8_t device) {
    return bus_.Add({.device = device},
                    std::make_unique<PciDevice>(PciIdentity{}));
  };
  EXPECT_EQ(add(0).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(add(2).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(add(32).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(add(31).ok());
}

TEST(PciAddressTest, RequesterIdIsBusDeviceFunction) {
  EXPECT_EQ(PciAddress{.device = 3}.requester_id(), 0x18u);
}

// Hostile: every offset and size of both mechanisms.
TEST_F(PciBusTest, AnswersAnyAccess) {
  for (uint64_t offset = 0; offset < 0x20'0000; offset += 511) {
    for (const size_t size : {1, 2, 4, 8}) {
      std::vector<uint8_t> data(size, 0xff);
      ecam_.Write(offset, data);
      ecam_.Read(offset, data);
    }
  }
  for (const uint32_t address :
       {0u, 0x8000'0000u, 0x8000'10ffu, 0xffff'ffffu}) {
    for (uint64_t offset = 0; offset < 8; ++offset) {
      for (const size_t size : {1, 2, 4, 8}) {
        if (offset + size > 8) continue;
        Out<uint32_t>(0xcf8, address);
        std::vector<uint8_t> data(size, 0xff);
        ports_.Write(offset, data);
        ports_.Read(offset, data);
      }
    }
  }
  // One that crosses from the last function to nothing.
  std::vector<uint8_t> data(8);
  ecam_.Read(0xfff'fffc, data);
  EXPECT_THAT(data, Each(0xff));
}

}  // namespace
}  // namespace nacre::vmm
