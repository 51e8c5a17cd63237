// The soak in short: whatever a few thousand contexts did, nothing of it is
// left.

#include "nacre/stress/soak.h"

#include "gtest/gtest.h"

namespace nacre {
namespace {

TEST(SoakTest, ThousandsOfContextsLeaveNothing) {
  const SoakReport report = Soak({.contexts = 3000,
                                  .duration = std::chrono::seconds(20),
                                  .warm_up_contexts = 300,
                                  .calls_between_resets = 10'000},
                                 nullptr);
  EXPECT_GT(report.contexts, 0u);
  EXPECT_GT(report.submissions, 0u);
  EXPECT_EQ(report.left, 0u);
  EXPECT_EQ(report.after.own.held, report.before.own.held);
  // Threads keep some for later, which counts as in use; a hundred bytes of
  // each program would be more.
  EXPECT_LE(report.after.own.heap_bytes,
            report.before.own.heap_bytes + 256 * 1024);
}

}  // namespace
}  // namespace nacre
