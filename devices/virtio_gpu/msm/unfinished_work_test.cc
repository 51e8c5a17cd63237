#include "devices/virtio_gpu/msm/unfinished_work.h"

#include <cerrno>
#include <climits>
#include <cstdint>
#include <deque>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/errno_status.h"
#include "base/event_fd.h"
#include "base/testing/holdings.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

constexpr uint32_t kStep = UnfinishedWork::kAdvance;

// A context's work on a GPU that finishes when the test says so.
class Program {
 public:
  explicit Program(UnfinishedWork& all) : work_(std::in_place, all) {}

  // A submission; false where it was refused.
  bool Add(uint32_t bytes, uint32_t ring = 1) {
    if (work_->Take(ring, bytes)) return true;
    const auto make_fence = [this](uint32_t) { return MakeFence(); };
    const absl::StatusOr<bool> wants_checkpoint =
        work_->TakeMore(ring, bytes, make_fence);
    if (wants_checkpoint.ok()) {
      if (*wants_checkpoint) work_->AddCheckpoint(ring, make_fence);
      return true;
    }
    EXPECT_EQ(StatusErrno(wants_checkpoint.status()), ENOMEM);
    return false;
  }
  // One that the driver refuses.
  bool AddRefused(uint32_t bytes, uint32_t ring = 1) {
    if (!work_->Take(ring, bytes)) {
      const auto make_fence = [this](uint32_t) { return MakeFence(); };
      if (!work_->TakeMore(ring, bytes, make_fence).ok()) return false;
      work_->GiveBack(ring, bytes);
      work_->AddCheckpoint(ring, make_fence);
    } else {
      work_->GiveBack(ring, bytes);
    }
    return true;
  }
  void End() {
    work_->End([this](uint32_t) { return MakeFence(); });
    work_.reset();
  }
  void FinishOldest() {
    fences_.front().Signal();
    fences_.pop_front();
  }
  void FinishAll() {
    while (!fences_.empty()) FinishOldest();
  }
  // From now on, as many.
  void FailFences(int count = INT_MAX) { failures_ = count; }
  void FinishAtOnce() { finishes_ = true; }
  // Made and not finished.
  size_t fences() const { return fences_.size(); }

 private:
  absl::StatusOr<Fd> MakeFence() {
    if (failures_ > 0) {
      --failures_;
      return ErrnoStatus(EMFILE, "fence");
    }
    if (finishes_) return Fd();
    fences_.push_back(*EventFd::Create());
    return Fd(dup(fences_.back().fd()));
  }

  std::optional<ContextWork> work_;
  std::deque<EventFd> fences_;
  int failures_ = 0;
  bool finishes_ = false;
};

class UnfinishedWorkTest : public testing::Test {
 protected:
  // More contexts than a sweep looks at, ended with work that is unfinished.
  void EndMany(std::deque<Program>& programs) {
    for (int i = 0; i < 14; ++i) {
      EXPECT_TRUE(programs.emplace_back(all_).Add(1024));
      programs.back().End();
    }
  }
  uint64_t held() const { return counters_.unfinished_bytes.value(); }

  Limits limits_{.max_unfinished_bytes = 16 * kStep,
                 .max_context_unfinished_bytes = 8 * kStep};
  Counters counters_;
  UnfinishedWork all_{limits_, counters_};
};

TEST_F(UnfinishedWorkTest, NobodyAsksForAFenceUntilTheAdvanceIsUsedUp) {
  Program program(all_);
  for (uint32_t i = 0; i < kStep / 1024; ++i) EXPECT_TRUE(program.Add(1024));
  EXPECT_TRUE(program.Add(1024)) << "the one the advance was on top of";
  EXPECT_EQ(program.fences(), 0u);
  EXPECT_TRUE(program.Add(1024));
  EXPECT_EQ(program.fences(), 1u);
}

TEST_F(UnfinishedWorkTest, TheLimitOfAContextIsExact) {
  Program program(all_);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(program.Add(kStep));
  EXPECT_EQ(held(), 8u * kStep);
  EXPECT_FALSE(program.Add(1));
  program.FinishAll();
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(program.Add(kStep));
  EXPECT_FALSE(program.Add(1));
}

TEST_F(UnfinishedWorkTest, WhatTheDriverRefusedIsGivenBack) {
  Program program(all_);
  program.FinishAtOnce();
  for (uint32_t i = 1; i < 100; ++i) {
    EXPECT_TRUE(program.AddRefused(i * (kStep / 16)));
    EXPECT_LE(held(), kStep);
  }
}

TEST_F(UnfinishedWorkTest, ASubmissionBeyondTheLimitIsRefused) {
  Program program(all_);
  EXPECT_FALSE(program.Add(8 * kStep + 1));
  EXPECT_TRUE(program.Add(8 * kStep));
}

TEST_F(UnfinishedWorkTest, RingsOfAContextCountTogether) {
  Program program(all_);
  EXPECT_TRUE(program.Add(4 * kStep, 1));
  EXPECT_TRUE(program.Add(2 * kStep, 2));
  EXPECT_FALSE(program.Add(4 * kStep, 3));
}

TEST_F(UnfinishedWorkTest, WhoIsRefusedMakesNoMoreFences) {
  Program program(all_);
  while (program.Add(kStep)) {
  }
  const size_t fences = program.fences();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(program.Add(kStep));
  EXPECT_EQ(program.fences(), fences);
}

// Two for each ring, however many checkpoints there were.
TEST_F(UnfinishedWorkTest, FewDescriptorsAreHeld) {
  limits_.max_context_unfinished_bytes = limits_.max_unfinished_bytes =
      uint64_t{1} << 30;
  Program program(all_);
  const size_t before = Holdings::Now({}).fds;
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(program.Add(kStep, 1));
    EXPECT_TRUE(program.Add(kStep, 2));
  }
  // The test has one of each, too.
  EXPECT_GT(program.fences(), 50u);
  EXPECT_LE(Holdings::Now({}).fds, before + program.fences() + 4);
}

TEST_F(UnfinishedWorkTest, AGuestWithLittleUnfinishedGoesOnForEver) {
  Program program(all_);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(program.Add(kStep / 2));
    while (program.fences() > 2) program.FinishOldest();
  }
}

// It may be what others hold that has finished.
TEST_F(UnfinishedWorkTest, OfAllContextsIsLookedForWhereItMayBeHad) {
  Program one(all_);
  Program two(all_);
  Program three(all_);
  EXPECT_TRUE(one.Add(7 * kStep));
  EXPECT_TRUE(two.Add(7 * kStep));
  EXPECT_FALSE(three.Add(1));
  one.FinishAll();
  EXPECT_TRUE(three.Add(kStep));
}

// In the second half, too: an advance is for descriptors, which are few.
TEST_F(UnfinishedWorkTest, ManySmallSubmissionsHaveOneAdvanceOfTheSecondHalf) {
  Program one(all_);
  Program two(all_);
  EXPECT_TRUE(one.Add(7 * kStep));
  const uint64_t before = held();
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(two.Add(1024));
  EXPECT_LE(held(), before + 1000 * 1024 + 2 * kStep);
}

// Attack: contexts that each have one, and then do nothing.
TEST_F(UnfinishedWorkTest, ALargeSubmissionCountsUntilItIsDone) {
  Program program(all_);
  EXPECT_TRUE(program.Add(2 * kStep));
  EXPECT_GE(held(), 2u * kStep);
  program.FinishAll();
  all_.Sweep();
  EXPECT_EQ(held(), 0u);
}

TEST_F(UnfinishedWorkTest, IdleContextsLeaveHalfToOthers) {
  std::deque<Program> idle;
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(idle.emplace_back(all_).Add(1024));
    idle.back().FinishAll();
  }
  Program program(all_);
  EXPECT_TRUE(program.Add(8 * kStep));
  program.FinishAll();
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(program.Add(kStep));
    program.FinishAll();
  }
}

TEST_F(UnfinishedWorkTest, WhoIsRefusedHasLookedAtAll) {
  std::deque<Program> programs;
  EndMany(programs);
  Program program(all_);
  EXPECT_FALSE(program.Add(8 * kStep));
  for (Program& ended : programs) ended.FinishAll();
  EXPECT_TRUE(program.Add(8 * kStep));
}

// Many contexts wait with little work, and what takes the rest is finished each
// time.
TEST_F(UnfinishedWorkTest, ALookAtAllThatFindsSomeIsNotTheLast) {
  limits_.max_context_unfinished_bytes = limits_.max_unfinished_bytes =
      64 * kStep;
  std::deque<Program> waiting;
  for (int i = 0; i < 3; ++i) EndMany(waiting);
  Program program(all_);
  for (int i = 0; i < 4; ++i) {
    Program other(all_);
    EXPECT_TRUE(other.Add(
        static_cast<uint32_t>(limits_.max_unfinished_bytes - held())));
    other.FinishAll();
    EXPECT_TRUE(program.Add(kStep)) << i;
    program.FinishAll();
    all_.SweepAll();
  }
}

// Attack: the time of a look for each of the small submissions that finish one
// by one.
TEST_F(UnfinishedWorkTest, ALookAtAllThatFindsLittleIsTheLast) {
  limits_.max_context_unfinished_bytes = limits_.max_unfinished_bytes =
      64 * kStep;
  std::deque<Program> waiting;
  for (int i = 0; i < 3; ++i) EndMany(waiting);
  constexpr int kSmall = 8;
  Program other(all_);
  EXPECT_TRUE(other.Add(static_cast<uint32_t>(limits_.max_unfinished_bytes -
                                              held() - kSmall * 1024)));
  std::deque<Program> small;
  for (int i = 0; i < kSmall; ++i) {
    EXPECT_TRUE(small.emplace_back(all_).Add(1024));
    small.back().End();
  }
  Program program(all_);
  int refused = 0;
  for (Program& finished : small) {
    finished.FinishAll();
    if (!program.Add(1024)) ++refused;
  }
  EXPECT_GT(refused, 0) << "each had a look at all";
}

TEST_F(UnfinishedWorkTest, WorkCountsWhenItsContextHasEnded) {
  Program one(all_);
  EXPECT_TRUE(one.Add(1024));
  one.End();
  // With its advance, or a descriptor would cost next to nothing.
  EXPECT_EQ(held(), 1024 + kStep);
  all_.Sweep();
  EXPECT_EQ(held(), 1024 + kStep);
  one.FinishAll();
  all_.Sweep();
  EXPECT_EQ(held(), 0u);
}

TEST_F(UnfinishedWorkTest, OfManyContextsASweepLooksAtAFew) {
  std::deque<Program> programs;
  EndMany(programs);
  for (Program& ended : programs) ended.FinishAll();
  const uint64_t before = held();
  all_.Sweep();
  EXPECT_LT(held(), before);
  EXPECT_GT(held(), 0u);
  all_.SweepAll();
  EXPECT_EQ(held(), 0u);
}

TEST_F(UnfinishedWorkTest, WhatHasFinishedEndsWithItsContext) {
  Program one(all_);
  EXPECT_TRUE(one.Add(1024));
  one.FinishAtOnce();
  one.End();
  EXPECT_EQ(held(), 0u);
}

// With and without a submission that is refused: it must not take along what
// pays for a descriptor.
TEST_F(UnfinishedWorkTest, ContextsThatComeAndGoAreBounded) {
  for (const bool refused : {false, true}) {
    std::deque<Program> programs;
    const size_t before = Holdings::Now({}).fds;
    size_t fences = 0;
    for (int i = 0; i < 1000; ++i) {
      Program& program = programs.emplace_back(all_);
      if (program.Add(1024) && refused) program.AddRefused(1024);
      program.End();
      fences += program.fences();
    }
    EXPECT_LE(Holdings::Now({}).fds, before + 2 * fences);
    // The last ones get no advance.
    EXPECT_LE(fences, 2 * (16 + kStep / 1024));
    EXPECT_LE(held(), limits_.max_unfinished_bytes);
    for (Program& program : programs) program.FinishAll();
    all_.SweepAll();
    EXPECT_EQ(held(), 0u);
  }
}

TEST_F(UnfinishedWorkTest, AFenceThatCannotBeMadeIsMadeLater) {
  Program program(all_);
  program.FailFences();
  int taken = 0;
  while (program.Add(kStep)) ++taken;
  EXPECT_EQ(taken, 8);
  program.End();
  EXPECT_EQ(held(), 0u) << "a lost driver has no work";
}

// For want of a descriptor, where those that are finished have some.
TEST_F(UnfinishedWorkTest, AFenceAtTheEndIsTriedAgain) {
  Program finished(all_);
  EXPECT_TRUE(finished.Add(1024));
  finished.End();
  finished.FinishAll();
  Program program(all_);
  EXPECT_TRUE(program.Add(1024));
  const size_t fds = Holdings::Now({}).fds;
  program.FailFences(1);
  program.End();
  // The test's and the checkpoint's came, the other checkpoint's went.
  EXPECT_EQ(Holdings::Now({}).fds, fds + 1);
  EXPECT_EQ(held(), 1024 + kStep);
}

// It would be kept by a ring that is idle.
TEST_F(UnfinishedWorkTest, AnAdvanceOfTheSecondHalfIsNotKeptForWantOfAFence) {
  Program one(all_);
  EXPECT_TRUE(one.Add(7 * kStep));
  Program two(all_);
  EXPECT_TRUE(two.Add(kStep));
  const uint64_t before = held();
  Program program(all_);
  program.FailFences();
  EXPECT_TRUE(program.Add(1024));
  EXPECT_EQ(held(), before + 1024);
}

TEST_F(UnfinishedWorkTest, ContextsOnManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      for (int round = 0; round < 20; ++round) {
        Program program(all_);
        for (uint32_t j = 0; j < 40; ++j) {
          program.Add(kStep / 2, j % 3);
          while (program.fences() > 1) program.FinishOldest();
        }
        program.End();
        program.FinishAll();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  all_.SweepAll();
  EXPECT_EQ(held(), 0u);
}

}  // namespace
}  // namespace nacre::msm
