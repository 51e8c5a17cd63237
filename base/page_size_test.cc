#include "base/page_size.h"

#include <sys/mman.h>

#include <cstddef>

#include "base/checked.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre {
namespace {

TEST(PageSizeTest, HostPageIsWhatMmapCounts) {
  ASSERT_TRUE(IsPowerOfTwo(HostPageSize()));
  EXPECT_THAT(kPageSizes, testing::Contains(HostPageSize()));

  const size_t size = 2 * HostPageSize();
  void* pages =
      mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  auto* bytes = static_cast<unsigned char*>(pages);
  EXPECT_EQ(mprotect(bytes + HostPageSize(), HostPageSize(), PROT_NONE), 0);
  // And no more than that.
  EXPECT_EQ(bytes[HostPageSize() - 1], 0);
  munmap(pages, size);
}

}  // namespace
}  // namespace nacre
