#include "vmm/pci_window.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;
using Ram = std::vector<GuestMemory::RegionSpec>;

TEST(PciWindow64Test, IsAboveRamAndAbove4GiB) {
  constexpr uint64_t kEnd = uint64_t{1} << 40;
  const AddressRange small = PlacePciWindow64(Ram{{kGiB, kGiB}}, kEnd).value();
  EXPECT_EQ(small.address, 4 * kGiB);
  EXPECT_EQ(small.size, 64 * kGiB);
  const AddressRange large =
      PlacePciWindow64(Ram{{6 * kGiB, 3 * kGiB}, {0, kGiB}}, kEnd).value();
  EXPECT_EQ(large.address, 12 * kGiB);
}

TEST(PciWindow64Test, EndsWithTheAddressSpace) {
  constexpr uint64_t kEnd = uint64_t{1} << 36;
  EXPECT_EQ(PlacePciWindow64(Ram{{kGiB, 40 * kGiB}}, kEnd).value().size,
            20 * kGiB);
  const absl::Status status =
      PlacePciWindow64(Ram{{kGiB, kEnd - kGiB}}, kEnd).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              testing::HasSubstr("leaves no addresses for PCI devices"));
}

}  // namespace
}  // namespace nacre::vmm
