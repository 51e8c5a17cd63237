#include "vmm/process_stats.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/time/time.h"
#include "base/mapping.h"
#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

constexpr size_t kMany = 64 << 20;

TEST(ProcessStatsTest, TimePasses) {
  const absl::Duration before = TimeSinceProcessStart();
  EXPECT_GT(before, absl::ZeroDuration());
  EXPECT_GE(TimeSinceProcessStart(), before);
}

TEST(ProcessStatsTest, CountsPrivateMemory) {
  const uint64_t before = OwnMemoryBytes().value();
  const Mapping memory = Mapping::Anonymous(kMany, 4096).value();
  std::memset(memory.data(), 1, kMany);
  EXPECT_GT(OwnMemoryBytes().value(), before + kMany / 2);
}

TEST(ProcessStatsTest, DoesNotCountMemfds) {
  const Fd fd = CreateMemfd("test", kMany).value();
  const Mapping memory = Mapping::Shared(fd.get(), 0, kMany).value();
  const uint64_t before = OwnMemoryBytes().value();
  std::memset(memory.data(), 1, kMany);
  EXPECT_LT(OwnMemoryBytes().value(), before + kMany / 2);
}

}  // namespace
}  // namespace nacre::vmm
