// The soak of a device in its jail, in short: whatever hundreds of contexts
// did, nothing of it is left, neither here nor in the GPU's process.

#include <chrono>

#include "base/descriptor_room.h"
#include "gtest/gtest.h"
#include "nacre/gpu_process.h"
#include "nacre/stress/soak.h"

namespace nacre {
namespace {

TEST(JailedSoakTest, HundredsOfContextsLeaveNothing) {
  const SoakReport report = Soak({.jail = true,
                                  .contexts = 1000,
                                  .duration = std::chrono::seconds(20),
                                  .warm_up_contexts = 200,
                                  .calls_between_resets = 5000},
                                 nullptr);
  EXPECT_GT(report.contexts, 0u);
  EXPECT_GT(report.submissions, 0u);
  EXPECT_EQ(report.left, 0u);
  EXPECT_EQ(report.after.own.held, report.before.own.held);
  EXPECT_EQ(report.after.gpu->held, report.before.gpu->held);
}

}  // namespace
}  // namespace nacre

int main(int argc, char** argv) {
  if (argc == 2) {
    if (const auto process = nacre::ParseGpuProcessArgument(argv[1])) {
      nacre::RunGpuProcess(*process);
    }
  }
  nacre::MakeRoomForDescriptors();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
