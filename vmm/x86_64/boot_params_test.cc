#include "vmm/x86_64/boot_params.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/x86_64/layout.h"

namespace nacre::vmm::x86_64 {
namespace {

using Regions = std::vector<GuestMemory::RegionSpec>;
using testing::HasSubstr;

constexpr uint64_t kAddressEnd = uint64_t{1} << 40;

const Regions kSmall = {{0, 512 * kMiB}};
const Regions kLarge = {{0, kDeviceHoleStart}, {kDeviceHoleEnd, 5 * kGiB}};

KernelImage MakeKernel() {
  KernelImage kernel;
  kernel.start = 16 * kMiB;
  kernel.end = 64 * kMiB;
  kernel.entry = kernel.start;
  kernel.header.initrd_addr_max = 0x7fffffff;
  return kernel;
}

TEST(MemoryMapTest, KeepsLegacyAreaAndEcamOutOfRam) {
  const std::vector<boot_e820_entry> map = MemoryMap(kLarge);
  ASSERT_EQ(map.size(), 5u);
  EXPECT_EQ(+map[0].addr, 0u);
  EXPECT_EQ(+map[0].size, kLegacyHoleStart);
  EXPECT_EQ(+map[0].type, 1u);
  EXPECT_EQ(+map[1].addr, kLegacyHoleStart);
  EXPECT_EQ(+map[1].type, 2u);
  EXPECT_EQ(+map[2].addr, kMiB);
  EXPECT_EQ(+map[2].addr + map[2].size, kDeviceHoleStart);
  EXPECT_EQ(+map[2].type, 1u);
  EXPECT_EQ(+map[3].addr, kEcam.address);
  EXPECT_EQ(+map[3].size, kEcam.size);
  EXPECT_EQ(+map[3].type, 2u);
  EXPECT_EQ(+map[4].addr, kDeviceHoleEnd);
  EXPECT_EQ(+map[4].size, 5 * kGiB);
  EXPECT_EQ(+map[4].type, 1u);
}

TEST(MemoryMapTest, FirmwareTablesLieInReservedMemory) {
  const std::vector<boot_e820_entry> map = MemoryMap(kSmall);
  EXPECT_GE(kAcpiTables.address, +map[1].addr);
  EXPECT_LE(kAcpiTables.address + kAcpiTables.size, map[1].addr + map[1].size);
  EXPECT_LT(kResetVector, map[1].addr + map[1].size);
}

TEST(PlaceInitrdTest, GoesToTheTopOfLowMemory) {
  const AddressRange initrd =
      PlaceInitrd(MakeKernel(), 3 * kMiB + 5, kSmall).value();
  EXPECT_EQ(initrd.address, 508 * kMiB);
  EXPECT_EQ(initrd.size, 3 * kMiB + 5);
}

TEST(PlaceInitrdTest, StaysBelowWhatTheKernelCanReach) {
  const AddressRange initrd =
      PlaceInitrd(MakeKernel(), 2 * kMiB, kLarge).value();
  EXPECT_EQ(initrd.address, 2 * kGiB - 2 * kMiB);
}

TEST(PlaceInitrdTest, FitsExactly) {
  EXPECT_EQ(PlaceInitrd(MakeKernel(), 448 * kMiB, kSmall).value().address,
            64 * kMiB);
}

TEST(PlaceInitrdTest, RefusesOneThatDoesNotFit) {
  for (const uint64_t size : {448 * kMiB + 1, kGiB, ~uint64_t{0}}) {
    const absl::Status status =
        PlaceInitrd(MakeKernel(), size, kSmall).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("more memory"));
  }
}

TEST(PlaceInitrdTest, RefusesAKernelLargerThanMemory) {
  const absl::Status status =
      PlaceInitrd(MakeKernel(), 0, Regions{{0, 63 * kMiB}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("64 MiB"));
}

TEST(BootParamsTest, FillsWhatTheBootProtocolWants) {
  KernelImage kernel = MakeKernel();
  kernel.header.version = 0x20f;
  const std::vector<boot_e820_entry> map = MemoryMap(kSmall);
  const boot_params params =
      MakeBootParams(kernel, {0x1e000000, 12345}, 0xe0000, map);
  EXPECT_EQ(+params.hdr.version, 0x20f);
  EXPECT_EQ(+params.hdr.type_of_loader, 0xff);
  EXPECT_EQ(+params.hdr.loadflags & LOADED_HIGH, LOADED_HIGH);
  EXPECT_EQ(+params.hdr.cmd_line_ptr, kCommandLineAddress);
  EXPECT_EQ(+params.hdr.ramdisk_image, 0x1e000000u);
  EXPECT_EQ(+params.hdr.ramdisk_size, 12345u);
  EXPECT_EQ(+params.acpi_rsdp_addr, 0xe0000u);
  EXPECT_EQ(+params.e820_entries, map.size());
  EXPECT_EQ(+params.e820_table[0].size, kLegacyHoleStart);
  EXPECT_EQ(+params.sentinel, 0);  // Else Linux distrusts the page.
}

absl::Status Check(const Regions& regions) {
  return CheckMemoryLayout(regions, kAddressEnd);
}

TEST(MemoryLayoutTest, AcceptsRamAroundTheHole) {
  EXPECT_TRUE(Check(kSmall).ok());
  EXPECT_TRUE(Check(kLarge).ok());
}

TEST(MemoryLayoutTest, RefusesTooLittleLowMemory) {
  for (const Regions& regions :
       {Regions{{0, 16 * kMiB}}, Regions{{kDeviceHoleEnd, kGiB}}}) {
    const absl::Status status = Check(regions);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("32 MiB"));
  }
}

TEST(MemoryLayoutTest, RefusesRamOverTheDevices) {
  const absl::Status status = Check({{0, 4 * kGiB}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("split it"));
}

TEST(MemoryLayoutTest, RefusesRamBeyondTheCpu) {
  EXPECT_EQ(Check({{0, kGiB}, {kAddressEnd - kGiB, 2 * kGiB}}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Check({{0, kGiB}, {~uint64_t{0} - 4095, 8192}}).code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace nacre::vmm::x86_64
