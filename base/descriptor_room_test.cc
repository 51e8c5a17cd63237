#include "base/descriptor_room.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace nacre {
namespace {

// The places of the process's table of descriptors.
uint64_t Places() {
  std::ifstream status("/proc/self/status");
  uint64_t places = 0;
  for (std::string word; status >> word;) {
    if (word == "FDSize:") status >> places;
  }
  return places;
}

TEST(DescriptorRoomTest, RaisesTheLimitAndGrowsTheTable) {
  MakeRoomForDescriptors();
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
  EXPECT_GE(Places(), std::min<uint64_t>(limit.rlim_cur, 4096));
}

}  // namespace
}  // namespace nacre
