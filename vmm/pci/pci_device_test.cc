#include "vmm/pci/pci_device.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/io_bus.h"
#include "vmm/pci/bar.h"
#include "vmm/pci/pci_bus.h"
#include "vmm/pci/testing/fake_hypervisor.h"
#include "vmm/pci/testing/pci_guest.h"

namespace nacre::vmm {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr PciWindows kWindows = {.low = {0xc000'0000, 256 * kMiB},
                                 .high = {0x40'0000'0000, 65536 * kMiB}};
constexpr uint64_t kWindowBytes = 16 * kMiB;

class NumberedRegisters : public IoDevice {
 public:
  explicit NumberedRegisters(uint8_t number) : number_(number) {}
  void Read(uint64_t /*offset*/, std::span<uint8_t> data) override {
    std::fill(data.begin(), data.end(), number_);
  }
  void Write(uint64_t /*offset*/, std::span<const uint8_t> /*data*/) override {}

 private:
  const uint8_t number_;
};

// Two register BARs, of 16 KiB and a page, and host memory in a 64-bit one.
class TestDevice : public PciDevice {
 public:
  TestDevice(IoBus* bus, MemoryWindows* windows, std::span<uint8_t> host)
      : PciDevice({.vendor_id = 1, .device_id = 2}) {
    AddBar(0, BarType::kMemory32, 0x4000,
           std::make_unique<RegisterBar>(bus, 0x4000, &one_));
    AddBar(1, BarType::kMemory32, 0x1000,
           std::make_unique<RegisterBar>(bus, 0x1000, &two_));
    AddBar(2, BarType::kMemory64Prefetchable, host.size(),
           std::make_unique<MemoryBar>(windows, host));
  }

 private:
  NumberedRegisters one_{1};
  NumberedRegisters two_{2};
};

class PciDeviceTest : public ::testing::Test {
 protected:
  static constexpr PciAddress kAddress = {.device = 3};

  PciDeviceTest() : bus_(kWindows), guest_(&bus_, kAddress) {
    EXPECT_TRUE(bus_.Add(kAddress,
                         std::make_unique<TestDevice>(&mmio_, &windows_, host_))
                    .ok());
  }

  // What answers at a guest-physical address: 0xff for nothing.
  uint8_t At(uint64_t address) {
    uint8_t value = 0;
    mmio_.Read(address, {&value, 1});
    return value;
  }

  std::vector<uint8_t> host_ = std::vector<uint8_t>(kWindowBytes);
  IoBus mmio_;
  FakeMemoryWindows windows_;
  PciBus bus_;
  PciGuest guest_;
};

TEST_F(PciDeviceTest, BarsHaveAddressesInTheWindowsAtPowerOn) {
  const uint64_t zero = guest_.ReadBar(0);
  EXPECT_GE(zero, kWindows.low.address);
  EXPECT_EQ(zero % 0x4000, 0u);
  EXPECT_GE(guest_.ReadBar(1), zero + 0x4000);
  EXPECT_GE(guest_.ReadBar(2), kWindows.high.address);
  EXPECT_EQ(guest_.ReadBar(2) % kWindowBytes, 0u);
}

TEST_F(PciDeviceTest, BarsSayTheirSizes) {
  EXPECT_EQ(guest_.SizeBar(0), 0x4000u);
  EXPECT_EQ(guest_.SizeBar(1), 0x1000u);
  EXPECT_EQ(guest_.SizeBar(2), kWindowBytes);
  EXPECT_FALSE(guest_.IsBar64(0));
  EXPECT_TRUE(guest_.IsBar64(2));
  // 64-bit and prefetchable.
  EXPECT_EQ(guest_.Read<uint32_t>(kPciBar0 + 8) & 0xf, 0xcu);
  EXPECT_EQ(guest_.Read<uint32_t>(kPciBar0 + 16), 0u);
}

TEST_F(PciDeviceTest, DecodesNothingUntilEnabled) {
  EXPECT_EQ(At(guest_.ReadBar(0)), 0xff);
  EXPECT_THAT(windows_.windows(), IsEmpty());
  guest_.EnableMemory(true);
  EXPECT_EQ(At(guest_.ReadBar(0)), 1);
  EXPECT_EQ(At(guest_.ReadBar(1)), 2);
  ASSERT_EQ(windows_.windows().size(), 1u);
  EXPECT_EQ(windows_.windows().begin()->first, guest_.ReadBar(2));
  EXPECT_EQ(windows_.windows().begin()->second.data(), host_.data());
  guest_.EnableMemory(false);
  EXPECT_EQ(At(guest_.ReadBar(0)), 0xff);
  EXPECT_THAT(windows_.windows(), IsEmpty());
}

TEST_F(PciDeviceTest, BarsMoveWhileDecoded) {
  guest_.EnableMemory(true);
  const uint64_t before = guest_.ReadBar(0);
  const uint64_t after = kWindows.low.address + 128 * kMiB;
  guest_.WriteBar(0, after);
  EXPECT_EQ(At(before), 0xff);
  EXPECT_EQ(At(after), 1);
  const uint64_t window = kWindows.high.address + 32768 * kMiB;
  guest_.WriteBar(2, window);
  ASSERT_EQ(windows_.windows().size(), 1u);
  EXPECT_EQ(windows_.windows().begin()->first, window);
}

TEST_F(PciDeviceTest, SizingWhileDecodedChangesNothing) {
  guest_.EnableMemory(true);
  EXPECT_EQ(guest_.SizeBar(0), 0x4000u);
  EXPECT_EQ(guest_.SizeBar(2), kWindowBytes);
  EXPECT_EQ(At(guest_.ReadBar(0)), 1);
  EXPECT_EQ(windows_.windows().count(guest_.ReadBar(2)), 1u);
}

TEST_F(PciDeviceTest, BarsWrittenByteByByteMoveToo) {
  const uint64_t after = kWindows.low.address + 64 * kMiB;
  for (int i = 0; i < 4; ++i) {
    guest_.Write<uint8_t>(static_cast<uint16_t>(kPciBar0 + i),
                          static_cast<uint8_t>(after >> (8 * i)));
  }
  guest_.EnableMemory(true);
  EXPECT_EQ(At(after), 1);
}

// Else a guest could lay registers over RAM or the interrupt controller.
TEST_F(PciDeviceTest, DecodesNothingOutsideTheWindows) {
  guest_.EnableMemory(true);
  for (const uint64_t address :
       {uint64_t{0}, uint64_t{0xfee0'0000}, kWindows.low.address - 0x4000,
        kWindows.low.address + kWindows.low.size, uint64_t{0xffff'c000}}) {
    guest_.WriteBar(0, address);
    EXPECT_EQ(At(address), 0xff) << address;
  }
  for (const uint64_t address :
       {uint64_t{0}, kWindows.high.address - kWindowBytes,
        kWindows.high.address + kWindows.high.size, ~(kWindowBytes - 1)}) {
    guest_.WriteBar(2, address);
    EXPECT_THAT(windows_.windows(), IsEmpty()) << address;
  }
}

TEST_F(PciDeviceTest, ABarOnTopOfAnotherIsNotDecodedUntilItMovesOn) {
  guest_.EnableMemory(true);
  const uint64_t zero = guest_.ReadBar(0);
  const uint64_t one = guest_.ReadBar(1);
  guest_.WriteBar(1, zero);
  EXPECT_EQ(At(zero), 1);
  EXPECT_EQ(At(one), 0xff);
  guest_.WriteBar(1, one);
  EXPECT_EQ(At(one), 2);
}

TEST_F(PciDeviceTest, ResetGoesBackToPowerOn) {
  const uint64_t before = guest_.ReadBar(0);
  guest_.WriteBar(0, kWindows.low.address + 64 * kMiB);
  guest_.EnableMemory(true);
  bus_.Reset();
  EXPECT_EQ(guest_.ReadBar(0), before);
  EXPECT_EQ(guest_.Read<uint16_t>(kPciCommand), 0);
  EXPECT_THAT(windows_.windows(), IsEmpty());
  EXPECT_EQ(At(kWindows.low.address + 64 * kMiB), 0xff);
  guest_.EnableMemory(true);
  EXPECT_EQ(At(before), 1);
}

// Removing a window takes memory, of which the host may have none.
TEST_F(PciDeviceTest, ABarThatTheHostDoesNotLetGoMovesWithTheNextAccess) {
  guest_.EnableMemory(true);
  const uint64_t before = guest_.ReadBar(2);
  const uint64_t after = kWindows.high.address + 32768 * kMiB;
  windows_.set_fail(true);
  guest_.WriteBar(2, after);
  guest_.EnableMemory(false);
  guest_.EnableMemory(true);
  EXPECT_THAT(windows_.windows(), ElementsAre(Pair(before, _)));
  windows_.set_fail(false);
  EXPECT_EQ(guest_.ReadBar(2), after);
  EXPECT_THAT(windows_.windows(), ElementsAre(Pair(after, _)));
}

TEST_F(PciDeviceTest, ABarThatTheHostDoesNotTakeComesWithTheNextAccess) {
  windows_.set_fail(true);
  guest_.EnableMemory(true);
  EXPECT_THAT(windows_.windows(), IsEmpty());
  windows_.set_fail(false);
  guest_.Write<uint8_t>(kPciCacheLineSize, 16);
  EXPECT_THAT(windows_.windows(), ElementsAre(Pair(guest_.ReadBar(2), _)));
}

TEST_F(PciDeviceTest, WhatAResetCouldNotUnmapTheNextBootDoes) {
  guest_.EnableMemory(true);
  windows_.set_fail(true);
  bus_.Reset();
  EXPECT_EQ(windows_.windows().size(), 1u);
  windows_.set_fail(false);
  EXPECT_EQ(guest_.Read<uint16_t>(kPciCommand), 0);
  EXPECT_THAT(windows_.windows(), IsEmpty());
}

// A device with its BARs mapped, which goes with its bus.
class PciDeviceLifeTest : public testing::Test {
 protected:
  PciDeviceLifeTest() {
    EXPECT_TRUE(bus_->Add({.device = 1}, std::make_unique<TestDevice>(
                                             &mmio_, &windows_, host_))
                    .ok());
    PciGuest(&*bus_, {.device = 1}).EnableMemory(true);
    EXPECT_EQ(windows_.windows().size(), 1u);
  }

  std::vector<uint8_t> host_ = std::vector<uint8_t>(kWindowBytes);
  IoBus mmio_;
  FakeMemoryWindows windows_;
  std::optional<PciBus> bus_{kWindows};
};

TEST_F(PciDeviceLifeTest, GoesThoughTheHostKeepsItsWindow) {
  windows_.set_fail(true);
  bus_.reset();
  EXPECT_EQ(windows_.windows().size(), 1u);
}

TEST_F(PciDeviceLifeTest, UnmapsItsBarsWhenItGoes) {
  bus_.reset();
  EXPECT_THAT(windows_.windows(), IsEmpty());
}

TEST(BarAllocatorTest, SaysWhenAWindowIsFull) {
  BarAllocator allocator({.low = {0x1000, 0x3000}, .high = {}});
  EXPECT_EQ(*allocator.Allocate(BarType::kMemory32, 0x1000), 0x1000u);
  EXPECT_EQ(*allocator.Allocate(BarType::kMemory32, 0x2000), 0x2000u);
  EXPECT_EQ(allocator.Allocate(BarType::kMemory32, 0x1000).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(allocator.Allocate(BarType::kMemory64Prefetchable, 0x1000)
                .status()
                .code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace nacre::vmm
