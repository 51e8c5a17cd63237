#include "devices/virtio_gpu/msm/counters.h"

#include <atomic>
#include <thread>

#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

// The VMM's summary reads while a thread of the device counts.
TEST(CountersTest, AreReadFromAnotherThread) {
  Counters counters;
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    uint64_t last = 0;
    while (!stop) {
      const uint64_t now = counters.ccmds[MSM_CCMD_GEM_SUBMIT].value();
      EXPECT_GE(now, last);
      last = now;
    }
  });
  for (int i = 0; i < 10000; ++i) {
    counters.ccmds[MSM_CCMD_GEM_SUBMIT].Add();
    counters.objects.Add();
  }
  stop = true;
  reader.join();
  EXPECT_EQ(counters.ccmds[MSM_CCMD_GEM_SUBMIT].value(), 10000u);
}

}  // namespace
}  // namespace nacre::msm
