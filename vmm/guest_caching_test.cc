#include "vmm/guest_caching.h"

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "vmm/kvm/kvm.h"

namespace nacre::vmm {
namespace {

// Which of the two it is depends on the host; the report has it.
TEST(GuestCachingTest, KvmKnows) {
  if (const absl::StatusOr<Kvm> kvm = Kvm::Open(); !kvm.ok()) {
    GTEST_SKIP() << kvm.status();
  }
  const absl::StatusOr<bool> cached = GuestsAreAlwaysCached();
  ASSERT_TRUE(cached.ok()) << cached.status();
  RecordProperty("guests_are_always_cached", *cached ? "yes" : "no");
}

}  // namespace
}  // namespace nacre::vmm
