#include "devices/virtio_gpu/stats.h"

#include <set>

#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

using wire::Type;

TEST(StatsTest, CountsEachCommandTypeForItself) {
  Stats stats;
  std::set<Counter*> counters;
  for (const auto& [first, last] :
       {std::pair{Type::kGetDisplayInfo, Type::kSetScanoutBlob},
        {Type::kCtxCreate, Type::kResourceUnmapBlob},
        {Type::kUpdateCursor, Type::kMoveCursor}}) {
    for (auto type = static_cast<uint32_t>(first);
         type <= static_cast<uint32_t>(last); ++type) {
      Counter& counter = stats.commands(static_cast<Type>(type));
      counter.Add();
      counters.insert(&counter);
    }
  }
  EXPECT_EQ(counters.size(), 26u);
  EXPECT_EQ(stats.total_commands(), 26u);
}

TEST(StatsTest, UnknownTypesShareACounter) {
  Stats stats;
  stats.commands(static_cast<Type>(0)).Add();
  stats.commands(static_cast<Type>(0xffffffff)).Add();
  stats.commands(static_cast<Type>(0x010e)).Add();
  EXPECT_EQ(stats.commands(static_cast<Type>(5)).value(), 3u);
}

TEST(StatsTest, CountsErrorsByResponse) {
  Stats stats;
  stats.errors(Type::kErrOutOfMemory).Add();
  stats.errors(Type::kErrInvalidParameter).Add(2);
  EXPECT_EQ(stats.errors(Type::kErrOutOfMemory).value(), 1u);
  EXPECT_EQ(stats.errors(Type::kErrInvalidParameter).value(), 2u);
  EXPECT_EQ(stats.total_errors(), 3u);
}

}  // namespace
}  // namespace nacre::virtio_gpu
