#include "vmm/aarch64/placement.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/aarch64/layout.h"

namespace nacre::vmm::aarch64 {
namespace {

using Ram = std::vector<GuestMemory::RegionSpec>;
using testing::HasSubstr;

void ExpectRefused(const absl::Status& status, const std::string& what) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(what));
}

TEST(PlaceImagesTest, KernelThenDeviceTreeThenInitrd) {
  const BootPlacement placement =
      PlaceImages({0, 40 * kMiB + 5}, 3 * kMiB + 1, Ram{{kRamStart, kGiB}})
          .value();
  EXPECT_EQ(placement.kernel.address, kRamStart);
  EXPECT_EQ(placement.kernel.size, 40 * kMiB + 5);
  EXPECT_EQ(placement.device_tree.address, kRamStart + 42 * kMiB);
  EXPECT_EQ(placement.initrd.address, kRamStart + 44 * kMiB);
  EXPECT_EQ(placement.initrd.size, 3 * kMiB + 1);
}

TEST(PlaceImagesTest, HonoursTheTextOffset) {
  const BootPlacement placement =
      PlaceImages({0x80000, 2 * kMiB}, 0, Ram{{kRamStart, kGiB}}).value();
  EXPECT_EQ(placement.kernel.address, kRamStart + 0x80000);
  EXPECT_EQ(placement.device_tree.address, kRamStart + 4 * kMiB);
  EXPECT_EQ(placement.initrd.size, 0u);
}

TEST(PlaceImagesTest, TakesTheLowestRegionFromItsFirst2MiB) {
  const BootPlacement placement =
      PlaceImages({0, kMiB}, 0,
                  Ram{{8 * kGiB, kGiB}, {3 * kGiB + 0x1000, 64 * kMiB}})
          .value();
  EXPECT_EQ(placement.kernel.address, 3 * kGiB + 2 * kMiB);
}

TEST(PlaceImagesTest, RefusesWhatDoesNotFit) {
  const Ram ram = {{kRamStart, 64 * kMiB}, {8 * kGiB, kGiB}};
  EXPECT_TRUE(PlaceImages({0, 30 * kMiB}, 32 * kMiB, ram).ok());
  ExpectRefused(PlaceImages({0, 30 * kMiB}, 32 * kMiB + 1, ram).status(),
                "a kernel of 30 MiB and an initrd of 33 MiB do not fit into "
                "the guest's first 64 MiB");
  ExpectRefused(PlaceImages({0, 63 * kMiB}, 0, ram).status(), "do not fit");
  ExpectRefused(PlaceImages({0, ~uint64_t{0}}, 0, ram).status(), "do not fit");
  ExpectRefused(PlaceImages({0, kMiB}, ~uint64_t{0}, ram).status(),
                "do not fit");
}

// booting.rst, section 3.
TEST(PlaceImagesTest, KeepsThemWithin32GiB) {
  const Ram ram = {{kRamStart, 64 * kGiB}};
  ExpectRefused(PlaceImages({0, kMiB}, 32 * kGiB, ram).status(),
                "first 32768 MiB");
}

TEST(MemoryLayoutTest, IsAboveTheDevicesAndWithinTheAddressSpace) {
  constexpr uint64_t kEnd = uint64_t{1} << 40;
  EXPECT_TRUE(CheckMemoryLayout(Ram{{kRamStart, kEnd - kRamStart}}, kEnd).ok());
  ExpectRefused(CheckMemoryLayout(Ram{{0, 64 * kMiB}}, kEnd),
                "[0, +0x4000000) overlaps the devices below 0x40000000");
  ExpectRefused(CheckMemoryLayout(Ram{{kRamStart, kEnd}}, kEnd),
                "beyond what this host's KVM can address");
}

}  // namespace
}  // namespace nacre::vmm::aarch64
