#include "base/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/fd.h"
#include "base/page_size.h"
#include "gtest/gtest.h"

namespace nacre {
namespace {

constexpr size_t kPage = kLargestPageSize;

TEST(MappingTest, SharedMappingsOfOneMemfdSeeEachOther) {
  absl::StatusOr<Fd> fd = CreateMemfd("test", 2 * kPage);
  ASSERT_TRUE(fd.ok()) << fd.status();
  absl::StatusOr<Mapping> whole = Mapping::Shared(fd->get(), 0, 2 * kPage);
  absl::StatusOr<Mapping> half = Mapping::Shared(fd->get(), kPage, kPage);
  ASSERT_TRUE(whole.ok() && half.ok());
  whole->bytes()[kPage] = 42;
  EXPECT_EQ(half->bytes()[0], 42);
}

TEST(MappingTest, MemfdCannotShrinkUnderAMapping) {
  absl::StatusOr<Fd> fd = CreateMemfd("test", kPage);
  ASSERT_TRUE(fd.ok());
  EXPECT_NE(ftruncate(fd->get(), 0), 0);
}

TEST(MappingTest, MemfdCannotBeSealedAgainstItsOtherHolders) {
  absl::StatusOr<Fd> fd = CreateMemfd("test", kPage);
  ASSERT_TRUE(fd.ok());
  EXPECT_NE(fcntl(fd->get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
  EXPECT_EQ(errno, EPERM);
}

TEST(MappingTest, ZeroTakesAwayWhatWasWritten) {
  Mapping mapping = Mapping::Anonymous(2 * kPage, kPage).value();
  mapping.data()[0] = 1;
  mapping.data()[2 * kPage - 1] = 1;
  mapping.Zero();
  EXPECT_EQ(mapping.data()[0], 0);
  EXPECT_EQ(mapping.data()[2 * kPage - 1], 0);
}

TEST(MappingTest, AnonymousIsAlignedAndZero) {
  constexpr size_t kHuge = 2 << 20;
  absl::StatusOr<Mapping> mapping = Mapping::Anonymous(3 * kPage, kHuge);
  ASSERT_TRUE(mapping.ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(mapping->data()) % kHuge, 0u);
  for (uint8_t byte : mapping->bytes()) ASSERT_EQ(byte, 0);
}

TEST(MappingTest, MoveLeavesTheSourceEmpty) {
  absl::StatusOr<Mapping> mapping = Mapping::Anonymous(kPage, kPage);
  ASSERT_TRUE(mapping.ok());
  Mapping moved = *std::move(mapping);
  EXPECT_TRUE(moved.valid());
  EXPECT_FALSE(mapping->valid());
}

TEST(MappingTest, ImpossibleSizeIsAnErrorThatNamesIt) {
  absl::StatusOr<Mapping> mapping = Mapping::Anonymous(size_t{1} << 60, kPage);
  EXPECT_FALSE(mapping.ok());
}

}  // namespace
}  // namespace nacre
