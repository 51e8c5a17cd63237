#include "vmm/guest_caching.h"

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

// Which of the two it is depends on the host.
TEST(GuestCachingTest, KvmKnows) {
  const absl::StatusOr<bool> cached = GuestsAreAlwaysCached();
  EXPECT_TRUE(cached.ok()) << cached.status();
}

}  // namespace
}  // namespace nacre::vmm
