#include "simulator/gpu_clock.h"

#include <atomic>
#include <chrono>

#include "gtest/gtest.h"

namespace nacre::simulator {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using Clock = GpuClock::Clock;

TEST(GpuClockTest, WithoutAModelNothingTakesTime) {
  GpuClock clock(GpuClock::Options{});
  EXPECT_FALSE(clock.enabled());
  clock.StartSubmission(Clock::now() + std::chrono::hours(1));
  EXPECT_TRUE(clock.Spend(uint64_t{1} << 40, 0));
  clock.CatchUp();
}

TEST(GpuClockTest, ASubmissionTakesItsTime) {
  GpuClock clock({.model = {.submission = milliseconds(3)}});
  const Clock::time_point start = Clock::now();
  clock.StartSubmission(start);
  clock.CatchUp();
  EXPECT_GE(Clock::now() - start, milliseconds(3));
}

TEST(GpuClockTest, BytesTakeTimeAndFractionsAddUp) {
  GpuClock clock({.model = {.bytes_per_microsecond = 3000}});
  const Clock::time_point start = Clock::now();
  clock.StartSubmission(start);
  // A third of a nanosecond each.
  for (int i = 0; i < 9'000'000; ++i) clock.Spend(1, 0);
  clock.CatchUp();
  EXPECT_GE(Clock::now() - start, milliseconds(3));
}

TEST(GpuClockTest, PixelsTakeTimeBesideBytes) {
  GpuClock clock(
      {.model = {.bytes_per_microsecond = 2, .pixels_per_microsecond = 3}});
  const Clock::time_point start = Clock::now();
  clock.StartSubmission(start);
  clock.Spend(2000, 3000);
  EXPECT_EQ(clock.Now() - start, milliseconds(2));
  clock.Spend(0, 6000);
  EXPECT_EQ(clock.Now() - start, milliseconds(4));
}

// Queued submissions follow each other in the model, however late the thread
// wakes up; ones that come later begin when they come.
TEST(GpuClockTest, QueuedSubmissionsAddUpAndLateOnesWait) {
  GpuClock clock({.model = {.submission = milliseconds(2)}});
  const Clock::time_point start = Clock::now();
  for (int i = 1; i <= 3; ++i) {
    clock.StartSubmission(start);
    clock.CatchUp();
    EXPECT_GE(Clock::now() - start, i * milliseconds(2));
  }
  const Clock::time_point later = Clock::now() + milliseconds(5);
  clock.StartSubmission(later);
  clock.CatchUp();
  EXPECT_GE(Clock::now() - later, milliseconds(2));
}

// A sleep that took too long, or a slow simulation, delays nobody else.
TEST(GpuClockTest, LatenessIsCaughtUpOn) {
  GpuClock clock({.model = {.submission = milliseconds(10)}});
  const Clock::time_point long_ago = Clock::now() - std::chrono::hours(1);
  for (int i = 0; i < 5; ++i) {
    clock.StartSubmission(long_ago);
    clock.CatchUp();
  }
  // But for time that the GPU really waited.
  const Clock::time_point waited_until = Clock::now();
  clock.Resume();
  clock.StartSubmission(long_ago);
  clock.CatchUp();
  EXPECT_GE(Clock::now() - waited_until, milliseconds(10));
}

TEST(GpuClockTest, TooMuchWorkEndsAtTheLimit) {
  GpuClock clock(
      {.model = {.bytes_per_microsecond = 1}, .limit = milliseconds(3)});
  const Clock::time_point start = Clock::now();
  clock.StartSubmission(start);
  EXPECT_TRUE(clock.Spend(3000, 0));
  EXPECT_FALSE(clock.Spend(1, 0));
  EXPECT_FALSE(clock.Spend(uint64_t{1} << 40, 0));
  clock.CatchUp();
  EXPECT_GE(Clock::now() - start, milliseconds(3));
  // The next has a limit of its own.
  clock.StartSubmission(start);
  EXPECT_TRUE(clock.Spend(3000, 0));
}

TEST(GpuClockTest, StopEndsASleep) {
  const std::atomic<bool> stop{true};
  GpuClock clock(
      {.model = {.submission = std::chrono::hours(1)}, .stop = &stop});
  clock.StartSubmission(Clock::now());
  clock.CatchUp();
}

}  // namespace
}  // namespace nacre::simulator
