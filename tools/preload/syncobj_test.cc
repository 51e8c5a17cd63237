#include "tools/preload/syncobj.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>

#include "base/errno_status.h"
#include "gtest/gtest.h"
#include "tools/preload/syncobj_table.h"

namespace nacre::preload {
namespace {

using std::chrono::steady_clock;

class FakeFence final : public Fence {
 public:
  bool signalled() const override { return signalled_.load(); }
  uint64_t context() const override { return 0; }
  const char* driver_name() const override { return "fake"; }
  const char* timeline_name() const override { return "fake"; }
  void Signal() { signalled_.store(true); }

 private:
  std::atomic<bool> signalled_{false};
};

// Work that ends when the test says so.
struct Work {
  std::shared_ptr<FakeFence> fence = std::make_shared<FakeFence>();
  PendingWork pending() const { return PendingWork(fence); }
  void Finish() { fence->Signal(); }
};

class SyncobjTest : public testing::Test {
 protected:
  bool Done(uint64_t point) { return syncobj_->Find(point).value().done(); }

  Changes changes_;
  std::shared_ptr<Syncobj> syncobj_ = std::make_shared<Syncobj>(changes_);
};

TEST_F(SyncobjTest, ANewOneHasNothingToWaitFor) {
  EXPECT_FALSE(syncobj_->Find(0));
  EXPECT_EQ(syncobj_->Query(), 0u);
  EXPECT_EQ(syncobj_->LastSubmitted(), 0u);
}

TEST_F(SyncobjTest, BinaryIsDoneWithItsWork) {
  Work work;
  syncobj_->Replace(work.pending());
  EXPECT_FALSE(Done(0));
  work.Finish();
  EXPECT_TRUE(Done(0));
  syncobj_->Replace(std::nullopt);
  EXPECT_FALSE(syncobj_->Find(0));
}

TEST_F(SyncobjTest, BinaryHasNoPoints) {
  syncobj_->Replace(PendingWork());
  EXPECT_FALSE(syncobj_->Find(1));
  EXPECT_EQ(syncobj_->Query(), 0u);
}

TEST_F(SyncobjTest, APointIsDoneWithAllBeforeIt) {
  Work first, second;
  syncobj_->AddPoint(1, first.pending());
  syncobj_->AddPoint(2, second.pending());
  second.Finish();
  EXPECT_FALSE(Done(2));
  EXPECT_FALSE(Done(1));
  EXPECT_EQ(syncobj_->Query(), 0u);
  first.Finish();
  EXPECT_TRUE(Done(1));
  EXPECT_TRUE(Done(2));
  EXPECT_EQ(syncobj_->Query(), 2u);
}

TEST_F(SyncobjTest, APointDoesNotWaitForLaterOnes) {
  Work first, second;
  syncobj_->AddPoint(10, first.pending());
  syncobj_->AddPoint(20, second.pending());
  first.Finish();
  EXPECT_TRUE(Done(10));
  EXPECT_TRUE(Done(3));  // Of those between, the next counts.
  EXPECT_FALSE(Done(11));
  EXPECT_FALSE(Done(20));
  EXPECT_EQ(syncobj_->Query(), 10u);
  EXPECT_EQ(syncobj_->LastSubmitted(), 20u);
}

TEST_F(SyncobjTest, PointZeroIsAllThereIs) {
  Work first, second;
  syncobj_->AddPoint(1, first.pending());
  syncobj_->AddPoint(2, second.pending());
  first.Finish();
  EXPECT_FALSE(Done(0));
  second.Finish();
  EXPECT_TRUE(Done(0));
}

TEST_F(SyncobjTest, APointBeyondTheLastIsNotThere) {
  syncobj_->AddPoint(5, PendingWork());
  EXPECT_TRUE(Done(5));
  EXPECT_FALSE(syncobj_->Find(6));
}

TEST_F(SyncobjTest, WorkThatIsDoneIsNotKept) {
  for (uint64_t point = 1; point <= 1000; ++point) {
    Work work;
    syncobj_->AddPoint(point, work.pending());
    work.Finish();
  }
  EXPECT_EQ(syncobj_->Query(), 1000u);
  EXPECT_TRUE(Done(500));
  Work last;
  syncobj_->AddPoint(1001, last.pending());
  EXPECT_EQ(syncobj_->Find(0)->fences().size(), 1u);
}

TEST_F(SyncobjTest, ASignalledPointInTheMiddleWaitsForThoseBefore) {
  Work first, third;
  syncobj_->AddPoint(1, first.pending());
  syncobj_->AddPoint(2, PendingWork());
  syncobj_->AddPoint(3, third.pending());
  EXPECT_FALSE(Done(2));
  EXPECT_EQ(syncobj_->Query(), 0u);
  first.Finish();
  EXPECT_TRUE(Done(2));
  EXPECT_EQ(syncobj_->Query(), 2u);
}

// drm_syncobj_add_point: the timeline goes on at the last number.
TEST_F(SyncobjTest, APointOutOfOrderCountsAsTheLastNumber) {
  Work first, late;
  syncobj_->AddPoint(5, first.pending());
  syncobj_->AddPoint(3, late.pending());
  EXPECT_EQ(syncobj_->LastSubmitted(), 5u);
  first.Finish();
  EXPECT_EQ(syncobj_->Query(), 0u);
  EXPECT_FALSE(Done(4));
  late.Finish();
  EXPECT_EQ(syncobj_->Query(), 5u);
  EXPECT_TRUE(Done(4));
}

TEST_F(SyncobjTest, ATimelineAfterBinaryWorkWaitsForItToo) {
  Work binary, first;
  syncobj_->Replace(binary.pending());
  syncobj_->AddPoint(1, first.pending());
  first.Finish();
  EXPECT_FALSE(Done(1));
  EXPECT_EQ(syncobj_->Query(), 0u);
  binary.Finish();
  EXPECT_TRUE(Done(1));
  EXPECT_EQ(syncobj_->Query(), 1u);
}

TEST_F(SyncobjTest, AWaiterKeepsWhatItFound) {
  const Syncobj::Waiter waiter(syncobj_, 0);
  EXPECT_FALSE(waiter.work());
  Work work;
  syncobj_->Replace(work.pending());
  syncobj_->Replace(std::nullopt);
  ASSERT_TRUE(waiter.work());
  EXPECT_FALSE(waiter.work()->done());
  syncobj_->Replace(PendingWork());
  EXPECT_FALSE(waiter.work()->done());
  work.Finish();
  EXPECT_TRUE(waiter.work()->done());
}

TEST_F(SyncobjTest, AWaiterWaitsForItsPoint) {
  const Syncobj::Waiter waiter(syncobj_, 2);
  syncobj_->AddPoint(1, PendingWork());
  EXPECT_FALSE(waiter.work());
  syncobj_->AddPoint(4, PendingWork());
  EXPECT_TRUE(waiter.work());
}

TEST_F(SyncobjTest, AWaitEndsWithTheChange) {
  std::thread other([this] { syncobj_->AddPoint(1, PendingWork()); });
  EXPECT_TRUE(
      changes_.WaitUntil(steady_clock::now() + std::chrono::minutes(1),
                         [this] { return syncobj_->Find(1).has_value(); }));
  other.join();
}

TEST_F(SyncobjTest, AWaitEndsAtItsDeadline) {
  EXPECT_FALSE(
      changes_.WaitUntil(steady_clock::time_point(), [] { return false; }));
  EXPECT_FALSE(
      changes_.WaitUntil(steady_clock::now() + std::chrono::milliseconds(1),
                         [] { return false; }));
}

class SyncobjTableTest : public SyncobjTest {
 protected:
  SyncobjTable table_;
};

TEST_F(SyncobjTableTest, HandlesAreTheSmallestFreeNumbers) {
  EXPECT_EQ(table_.Insert(syncobj_), 1u);
  EXPECT_EQ(table_.Insert(syncobj_), 2u);
  EXPECT_EQ(table_.Insert(syncobj_), 3u);
  EXPECT_TRUE(table_.Remove(1));
  EXPECT_TRUE(table_.Remove(2));
  EXPECT_EQ(table_.Insert(syncobj_), 1u);
  EXPECT_EQ(table_.Insert(syncobj_), 2u);
  EXPECT_EQ(table_.Insert(syncobj_), 4u);
}

TEST_F(SyncobjTableTest, UnknownHandlesAreToldFromKnownOnes) {
  const uint32_t handle = table_.Insert(syncobj_);
  EXPECT_EQ(table_.Find(handle), syncobj_);
  EXPECT_EQ(table_.Find(0), nullptr);
  EXPECT_FALSE(table_.Remove(handle + 1));
  const uint32_t both[] = {handle, handle + 1};
  EXPECT_EQ(StatusErrno(table_.FindAll(both).status()), ENOENT);
  EXPECT_EQ(table_.FindAll({both, 1}).value().size(), 1u);
}

}  // namespace
}  // namespace nacre::preload
