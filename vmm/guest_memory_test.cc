#include "vmm/guest_memory.h"

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "base/page_size.h"
#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

constexpr uint64_t kPage = kLargestPageSize;
constexpr uint64_t kLow = kPage;                // Two pages,
constexpr uint64_t kMiddle = kLow + 2 * kPage;  // then one that follows them,
constexpr uint64_t kHigh = 0x100000000;         // and one behind a hole.

using Bytes = std::vector<uint8_t>;

absl::StatusCode CreateCode(std::vector<GuestMemory::RegionSpec> regions) {
  return GuestMemory::Create(regions).status().code();
}

class GuestMemoryTest : public testing::Test {
 protected:
  static GuestMemory Make() {
    const std::array<GuestMemory::RegionSpec, 3> regions = {{
        {kHigh, kPage},
        {kLow, 2 * kPage},
        {kMiddle, kPage},
    }};
    return GuestMemory::Create(regions).value();
  }

  GuestMemory memory_ = Make();
};

// As between two processes: each has its own mapping of the same bytes.
TEST_F(GuestMemoryTest, SharedRegionsAreTheSameMemory) {
  const GuestMemory other = *GuestMemory::Import(*memory_.Share());
  ASSERT_TRUE(memory_.WriteValue(kLow, uint32_t{0x1234}).ok());
  EXPECT_EQ(*other.ReadValue<uint32_t>(kLow), 0x1234u);
  EXPECT_EQ(other.size(), memory_.size());
  EXPECT_TRUE(other.host_regions().empty());
}

TEST_F(GuestMemoryTest, OverlappingSharedRegionsAreRefused) {
  std::vector<GuestMemory::SharedRegion> regions = *memory_.Share();
  for (GuestMemory::SharedRegion& region : regions) region.guest_address = 0;
  regions.push_back({0, regions[0].size, *regions[0].fd.Duplicate()});
  EXPECT_TRUE(absl::IsInvalidArgument(
      GuestMemory::Import(std::move(regions)).status()));
}

// Its end would be a SIGBUS for whoever touches it.
TEST_F(GuestMemoryTest, SharedRegionLargerThanItsFileIsRefused) {
  std::vector<GuestMemory::SharedRegion> regions = *memory_.Share();
  regions.back().size += kPage;
  EXPECT_TRUE(absl::IsInvalidArgument(
      GuestMemory::Import(std::move(regions)).status()));
}

TEST_F(GuestMemoryTest, StartsZeroed) {
  Bytes out(2 * kPage, 0xff);
  ASSERT_TRUE(memory_.Read(kLow, out).ok());
  EXPECT_EQ(out, Bytes(2 * kPage, 0));
}

TEST_F(GuestMemoryTest, ReadsBackWhatWasWritten) {
  ASSERT_TRUE(memory_.Write(kHigh + 3, Bytes{1, 2, 3}).ok());
  Bytes out(5);
  ASSERT_TRUE(memory_.Read(kHigh + 2, out).ok());
  EXPECT_EQ(out, (Bytes{0, 1, 2, 3, 0}));
}

TEST_F(GuestMemoryTest, PieceEndsWithItsRegion) {
  EXPECT_EQ(memory_.FindPiece(kLow, 5).size(), 5u);
  EXPECT_EQ(memory_.FindPiece(kMiddle - 2, 5).size(), 2u);
  EXPECT_EQ(memory_.FindPiece(kMiddle, 2 * kPage).size(), kPage);
  EXPECT_EQ(memory_.FindPiece(kLow - 1, 5).size(), 0u);
  EXPECT_EQ(memory_.FindPiece(kMiddle + kPage, 5).size(), 0u);
  EXPECT_EQ(memory_.FindPiece(std::numeric_limits<uint64_t>::max(), 5).size(),
            0u);
}

TEST_F(GuestMemoryTest, PieceIsTheMemory) {
  const GuestMemory::Piece piece = memory_.FindPiece(kMiddle - 8, 8);
  piece.Write(1, Bytes{1, 2, 3});
  piece.Rest(4).StoreRelease16(0, 0x0605);
  Bytes out(8), same(8);
  ASSERT_TRUE(memory_.Read(kMiddle - 8, out).ok());
  piece.Read(0, same);
  EXPECT_EQ(out, (Bytes{0, 1, 2, 3, 5, 6, 0, 0}));
  EXPECT_EQ(same, out);
  EXPECT_EQ(piece.LoadAcquire16(4), 0x0605);
}

TEST_F(GuestMemoryTest, PieceGivesNothingBeyondIt) {
  const GuestMemory::Piece piece = memory_.FindPiece(kLow, 4);
  Bytes out(4);
  EXPECT_DEATH(piece.Read(1, out), "outside a piece");
  EXPECT_DEATH(piece.Write(std::numeric_limits<uint64_t>::max(), out),
               "outside a piece");
  EXPECT_DEATH(piece.LoadAcquire16(3), "outside a piece");
  EXPECT_DEATH(piece.Rest(5), "outside a piece");
}

TEST_F(GuestMemoryTest, AccessCrossesIntoAnAdjacentRegion) {
  ASSERT_TRUE(memory_.Write(kMiddle - 2, Bytes{1, 2, 3, 4}).ok());
  Bytes low(2), high(2), both(4);
  ASSERT_TRUE(memory_.Read(kMiddle - 2, low).ok());
  ASSERT_TRUE(memory_.Read(kMiddle, high).ok());
  ASSERT_TRUE(memory_.Read(kMiddle - 2, both).ok());
  EXPECT_EQ(low, (Bytes{1, 2}));
  EXPECT_EQ(high, (Bytes{3, 4}));
  EXPECT_EQ(both, (Bytes{1, 2, 3, 4}));
}

TEST_F(GuestMemoryTest, AccessIntoAHoleCopiesNothing) {
  const uint64_t last = kMiddle + kPage - 1;
  EXPECT_EQ(memory_.Write(last, Bytes{7, 7}).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(memory_.ReadValue<uint8_t>(last).value(), 0);
  Bytes out = {9, 9};
  EXPECT_EQ(memory_.Read(last, out).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(out, (Bytes{9, 9}));
}

TEST_F(GuestMemoryTest, AccessBeforeBetweenAndAfterRegionsIsRefused) {
  for (const uint64_t address :
       {uint64_t{0}, kLow - 1, kMiddle + kPage, kHigh - 1, kHigh + kPage,
        std::numeric_limits<uint64_t>::max()}) {
    EXPECT_EQ(memory_.ReadValue<uint8_t>(address).status().code(),
              absl::StatusCode::kOutOfRange)
        << address;
  }
}

TEST_F(GuestMemoryTest, RangeThatWrapsIsRefused) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  Bytes out(32);
  EXPECT_FALSE(memory_.Read(kMax - 7, out).ok());
  EXPECT_FALSE(memory_.Contains(kLow, kMax));
  EXPECT_FALSE(memory_.Contains(kLow, kMax - kLow + 1));
  EXPECT_FALSE(memory_.Contains(kMax, 2));
}

TEST_F(GuestMemoryTest, ContainsExactlyTheRam) {
  EXPECT_TRUE(memory_.Contains(kLow, 3 * kPage));
  EXPECT_FALSE(memory_.Contains(kLow, 3 * kPage + 1));
  EXPECT_FALSE(memory_.Contains(kLow - 1, 2));
  EXPECT_TRUE(memory_.Contains(kHigh, kPage));
  EXPECT_FALSE(memory_.Contains(kHigh + 1, kPage));
}

TEST_F(GuestMemoryTest, EmptyRangeIsAlwaysInside) {
  EXPECT_TRUE(memory_.Contains(0, 0));
  EXPECT_TRUE(memory_.Read(0, {}).ok());
  EXPECT_TRUE(memory_.Write(0, {}).ok());
}

TEST_F(GuestMemoryTest, RingIndexIsLittleEndianInMemory) {
  ASSERT_TRUE(memory_.StoreRelease16(kLow + 2, 0x1234).ok());
  EXPECT_EQ(memory_.ReadValue<uint8_t>(kLow + 2).value(), 0x34);
  EXPECT_EQ(memory_.LoadAcquire16(kLow + 2).value(), 0x1234);
}

TEST_F(GuestMemoryTest, OddRingIndexIsRefused) {
  EXPECT_EQ(memory_.LoadAcquire16(kLow + 1).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(memory_.StoreRelease16(kLow + 1, 0).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(GuestMemoryTest, RingIndexOutsideRamIsRefused) {
  EXPECT_EQ(memory_.LoadAcquire16(kHigh + kPage).status().code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(memory_.StoreRelease16(kHigh - 2, 0).code(),
            absl::StatusCode::kOutOfRange);
}

TEST_F(GuestMemoryTest, DiscardZeroesEverything) {
  ASSERT_TRUE(memory_.Write(kLow, Bytes(3 * kPage, 0xaa)).ok());
  ASSERT_TRUE(memory_.Write(kHigh, Bytes(kPage, 0xbb)).ok());
  ASSERT_TRUE(memory_.Discard().ok());
  Bytes low(3 * kPage, 1), high(kPage, 1);
  ASSERT_TRUE(memory_.Read(kLow, low).ok());
  ASSERT_TRUE(memory_.Read(kHigh, high).ok());
  EXPECT_EQ(low, Bytes(3 * kPage, 0));
  EXPECT_EQ(high, Bytes(kPage, 0));
}

TEST_F(GuestMemoryTest, HostRegionsAscendAndAreAlignedForHugePages) {
  const std::vector<GuestMemory::HostRegion> regions = memory_.host_regions();
  ASSERT_EQ(regions.size(), 3u);
  EXPECT_EQ(regions[0].guest_address, kLow);
  EXPECT_EQ(regions[1].guest_address, kMiddle);
  EXPECT_EQ(regions[2].guest_address, kHigh);
  for (const GuestMemory::HostRegion& region : regions) {
    EXPECT_EQ(region.host_address % (2 * 1024 * 1024), 0u);
  }
  EXPECT_EQ(memory_.size(), 4 * kPage);
}

TEST_F(GuestMemoryTest, TheHypervisorsViewHasTheSameBytes) {
  ASSERT_TRUE(memory_.WriteValue<uint32_t>(kMiddle + 4, 0x12345678).ok());
  const GuestMemory::HostRegion region = memory_.host_regions()[1];
  const auto* view = reinterpret_cast<const uint32_t*>(region.host_address);
  EXPECT_EQ(view[1], 0x12345678u);
}

TEST_F(GuestMemoryTest, MemoryTakenFromTheGuestIsStillOurs) {
  ASSERT_TRUE(memory_.SetGuestAccess(kLow, kPage, false).ok());
  EXPECT_TRUE(memory_.WriteValue<uint8_t>(kLow, 1).ok());
  ASSERT_TRUE(memory_.SetGuestAccess(kLow, kPage, true).ok());
  const GuestMemory::HostRegion region = memory_.host_regions()[0];
  EXPECT_EQ(*reinterpret_cast<const uint8_t*>(region.host_address), 1);
}

TEST_F(GuestMemoryTest, OnlyWholePagesOfARegionCanBeTakenAway) {
  EXPECT_EQ(memory_.SetGuestAccess(kLow + 1, kPage, false).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(memory_.SetGuestAccess(kLow, 100, false).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(memory_.SetGuestAccess(kLow, 3 * kPage, false).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(memory_.SetGuestAccess(0, kPage, false).code(),
            absl::StatusCode::kOutOfRange);
}

TEST(GuestMemoryCreateTest, RefusesNoRegion) {
  EXPECT_EQ(CreateCode({}), absl::StatusCode::kInvalidArgument);
}

TEST(GuestMemoryCreateTest, RefusesEmptyAndUnalignedRegions) {
  EXPECT_EQ(CreateCode({{0, 0}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateCode({{0, 100}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateCode({{1, kPage}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateCode({{HostPageSize() / 2, kPage}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateCode({{0, HostPageSize() / 2}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateCode({{HostPageSize(), HostPageSize()}}),
            absl::StatusCode::kOk);
}

TEST(GuestMemoryCreateTest, RefusesOverlap) {
  EXPECT_EQ(CreateCode({{kPage, kPage}, {0, 2 * kPage}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateCode({{0, kPage}, {0, kPage}}),
            absl::StatusCode::kInvalidArgument);
}

TEST(GuestMemoryCreateTest, RefusesARegionThatWraps) {
  EXPECT_EQ(CreateCode({{~uint64_t{0} - kPage + 1, kPage}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateCode({{kPage, ~uint64_t{0} - kPage + 1}}),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace nacre::vmm
