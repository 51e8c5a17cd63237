#include "simulator/scheduler.h"

#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::simulator {
namespace {

// A GPU that notes the numbers of the jobs it runs, and waits before the first
// until everything is queued.
class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest() { EXPECT_TRUE(scheduler_->Start().ok()); }
  ~SchedulerTest() override { Open(); }

  // Queues job `number` in (file, prio).
  std::shared_ptr<Fence> Add(uint32_t number, uint64_t file, uint32_t prio,
                             FenceSet dependencies = {}) {
    auto job = std::make_unique<Job>();
    job->fence_number = number;
    job->queue = std::make_shared<SubmitQueue>(prio);
    job->dependencies = std::move(dependencies);
    job->fence = std::make_shared<Fence>(file * 3 + prio);
    const std::shared_ptr<Fence> fence = job->fence;
    scheduler_->Submit(std::move(job));
    return fence;
  }

  // Lets the GPU go and returns the order in which it ran the jobs.
  std::vector<uint32_t> Order() {
    Open();
    scheduler_.reset();
    return order_;
  }

 private:
  void Open() {
    MutexLock lock(mutex_);
    open_ = true;
    opened_.SignalAll();
  }
  void Run(std::unique_ptr<Job> job) {
    MutexLock lock(mutex_);
    while (!open_) opened_.Wait(mutex_);
    order_.push_back(job->fence_number);
    job->fence->MarkSignalled();
    job->fence->WakePollers();
  }

  Mutex mutex_;
  CondVar opened_;
  bool open_ = false;
  std::vector<uint32_t> order_;
  std::unique_ptr<Scheduler> scheduler_ = std::make_unique<Scheduler>(
      [this](std::unique_ptr<Job> job) { Run(std::move(job)); });
};

using Numbers = std::vector<uint32_t>;

// Job 0 is first by every rule, so the GPU holds it while the others come.

TEST_F(SchedulerTest, OneContextIsFifo) {
  for (uint32_t i = 0; i < 10; ++i) Add(i, 1, 1);
  EXPECT_EQ(Order(), (Numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST_F(SchedulerTest, LowerPrioNumbersGoFirst) {
  Add(0, 9, 0);
  Add(1, 1, 2);
  Add(2, 1, 1);
  Add(3, 2, 0);
  Add(4, 1, 0);
  EXPECT_EQ(Order(), (Numbers{0, 3, 4, 2, 1}));
}

TEST_F(SchedulerTest, EqualPriosGoByAge) {
  Add(0, 9, 0);
  Add(1, 1, 1);
  Add(2, 2, 1);
  Add(3, 1, 1);
  Add(4, 2, 1);
  EXPECT_EQ(Order(), (Numbers{0, 1, 2, 3, 4}));
}

TEST_F(SchedulerTest, AJobWaitsForItsDependenciesAndHoldsUpItsContext) {
  Add(0, 9, 0);
  const std::shared_ptr<Fence> low = Add(1, 1, 2);
  Add(2, 2, 0, {low});  // Higher, but depends on the low one.
  Add(3, 2, 0);         // Behind it in the same context.
  Add(4, 3, 1);
  EXPECT_EQ(Order(), (Numbers{0, 4, 1, 2, 3}));
}

TEST_F(SchedulerTest, DestructionRunsWhatIsLeft) {
  for (uint32_t i = 0; i < 3; ++i) Add(i, i, 1);
  EXPECT_EQ(Order().size(), 3u);
}

}  // namespace
}  // namespace nacre::simulator
