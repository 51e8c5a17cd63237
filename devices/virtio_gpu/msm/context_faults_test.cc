// How a guest learns that the GPU hung: msm_shmem::global_faults.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "base/mapping.h"
#include "devices/virtio_gpu/msm/fault_reporter.h"
#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

class ContextFaultsTest : public ContextTestBase {
 protected:
  std::shared_ptr<virtio_gpu::FenceObserver> Observer() {
    return guest_->context().fence_observer();
  }
  size_t LookUps() const { return device_.calls(DrmCall::kGetParam); }
};

TEST_F(ContextFaultsTest, AFaultIsThereWhenTheFenceArrives) {
  device_.SetParam(MSM_PARAM_FAULTS, 1);
  EXPECT_EQ(guest_->global_faults(), 0u);
  Observer()->OnFenceSignalled();
  EXPECT_EQ(guest_->global_faults(), 1u);
}

// Commands look the count up too, at any moment before the hang is noticed.
TEST_F(ContextFaultsTest, ACommandBeforeDoesNotHideIt) {
  guest_->batch().Add(MSM_CCMD_NOP, {});
  ASSERT_TRUE(guest_->Flush().ok());
  device_.SetParam(MSM_PARAM_FAULTS, 1);
  Observer()->OnFenceSignalled();
  EXPECT_EQ(guest_->global_faults(), 1u);
}

TEST_F(ContextFaultsTest, FencesInQuickSuccessionCostNoCallEach) {
  const auto start = std::chrono::steady_clock::now();
  const size_t before = LookUps();
  for (int i = 0; i < 1000; ++i) Observer()->OnFenceSignalled();
  const auto intervals =
      static_cast<size_t>((std::chrono::steady_clock::now() - start) /
                          FaultReporter::kFenceInterval);
  EXPECT_GE(LookUps(), before + 1);
  // One more, as its clock goes by milliseconds and by ticks.
  EXPECT_LE(LookUps(), before + 2 + intervals);
}

TEST_F(ContextFaultsTest, FencesOutliveTheirContext) {
  const auto observer = Observer();
  guest_->DestroyContext();
  const size_t before = LookUps();
  observer->OnFenceSignalled();
  EXPECT_EQ(LookUps(), before);
}

// A guest that gives its control memory up and makes another.
TEST_F(ContextFaultsTest, ReportsGoToTheNewControlMemory) {
  guest_->CloseBuffer(Guest::kShmemResource);
  device_.SetParam(MSM_PARAM_FAULTS, 3);
  const auto blob = guest_->context().CreateBlob({.resource_id = 50,
                                                  .blob_id = 0,
                                                  .size = Guest::kShmemSize,
                                                  .mappable = true});
  ASSERT_TRUE(blob.ok());
  Observer()->OnFenceSignalled();
  EXPECT_EQ(guest_->global_faults(), 0u);
  const auto memory = (*blob)->GetMemory();
  ASSERT_TRUE(memory.ok());
  const Mapping shmem =
      *Mapping::Shared(memory->fd, memory->offset, Guest::kShmemSize);
  uint32_t reported = 0;
  std::memcpy(&reported, shmem.data() + offsetof(msm_shmem, global_faults),
              sizeof(reported));
  EXPECT_EQ(reported, 3u);
}

// The thread that watches fences, while the context works and ends.
TEST_F(ContextFaultsTest, FencesArriveAtAnyTime) {
  std::thread reactor([observer = Observer()] {
    for (int i = 0; i < 10'000; ++i) observer->OnFenceSignalled();
  });
  for (int i = 0; i < 100; ++i) {
    guest_->batch().Add(MSM_CCMD_NOP, {});
    ASSERT_TRUE(guest_->Flush().ok());
  }
  guest_->DestroyContext();
  reactor.join();
}

// Each may have asked before the other's answer.
TEST_F(ContextFaultsTest, FaultsNeverBecomeFewer) {
  std::vector<std::thread> threads;
  device_.SetParam(MSM_PARAM_FAULTS, 7);
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([observer = Observer()] {
      for (int n = 0; n < 1000; ++n) observer->OnFenceSignalled();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(guest_->global_faults(), 7u);
  device_.SetParam(MSM_PARAM_FAULTS, 6);
  const auto interval = FaultReporter::kFenceInterval;
  for (const auto start = std::chrono::steady_clock::now();
       std::chrono::steady_clock::now() < start + 4 * interval;) {
    Observer()->OnFenceSignalled();
  }
  EXPECT_EQ(guest_->global_faults(), 7u);
}

}  // namespace
}  // namespace nacre::msm
