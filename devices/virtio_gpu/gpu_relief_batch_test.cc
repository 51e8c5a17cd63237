#include <cstdint>
#include <thread>
#include <vector>

#include "devices/virtio_gpu/gpu_relief_test_base.h"
#include "devices/virtio_gpu/relay.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

// The driver hears soon of what was done before a call that blocks, in the same
// batch of requests.
namespace nacre::virtio_gpu {
namespace {

TEST_F(GpuReliefTest, WhatWasDoneBeforeIsNotHeldBack) {
  g_.gpu().Block(kBlocked);
  g_.Submit(Tagged(kOther, 1));
  g_.Submit(Tagged(kBlocked, 1));
  g_.Kick();
  EXPECT_EQ(WaitAnswers(1), std::vector<Type>({Type::kOkNodata}));
  EXPECT_EQ(TagsOf(kOther), std::vector<uint32_t>({1}));
}

// There is nobody else, but the driver waits, too.
class GpuReliefAloneTest : public GpuReliefTest {
 protected:
  GpuReliefAloneTest() : GpuReliefTest({kBlocked}) {}

  void AwaitInterrupt(int before) {
    while (g_.driver().interrupts(wire::kControlQueue) == before) {
      std::this_thread::yield();
    }
  }
  int interrupts() { return g_.driver().interrupts(wire::kControlQueue); }
};

TEST_F(GpuReliefAloneTest, WhatWasDoneBeforeIsNotHeldBack) {
  const int before = interrupts();
  g_.gpu().Block(kBlocked);
  g_.Submit(Request(Type::kGetDisplayInfo));
  g_.Submit(Tagged(kBlocked, 1));
  g_.Submit(Tagged(kBlocked, 2));
  g_.Kick();
  AwaitInterrupt(before);
  EXPECT_EQ(WaitAnswers(1), std::vector<Type>({Type::kOkDisplayInfo}));
  EXPECT_EQ(TagsOf(kBlocked), std::vector<uint32_t>());
  g_.gpu().Unblock(kBlocked);
  WaitAnswers(2);
  EXPECT_EQ(TagsOf(kBlocked), std::vector<uint32_t>({1, 2}));
}

TEST_F(GpuReliefAloneTest, AFenceBeforeIsNotHeldBack) {
  const int before = interrupts();
  g_.gpu().Block(kBlocked);
  g_.Submit(Request(Type::kGetDisplayInfo).Fence(11));
  g_.Submit(Tagged(kBlocked, 1).Fence(12));
  g_.Kick();
  AwaitInterrupt(before);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
}

// It ends a batch, and the driver has not been interrupted since the one
// before.
TEST_F(GpuReliefAloneTest, NorAreWholeBatches) {
  constexpr uint32_t kCount = 40;
  for (uint32_t done = 15; done <= kCount; ++done) {
    const int before = interrupts();
    for (uint32_t i = 0; i < done; ++i) {
      g_.Submit(Request(Type::kGetDisplayInfo));
    }
    g_.gpu().Block(kBlocked);
    g_.Submit(Tagged(kBlocked, done));
    g_.Kick();
    AwaitInterrupt(before);
    WaitAnswers(done);
    g_.gpu().Unblock(kBlocked);
    WaitAnswers(1);
  }
}

// The last thread has nobody to relieve it: it gives back each by itself.
TEST_F(GpuReliefTest, NorWithAllThreadsInCalls) {
  constexpr uint32_t kLast = Relay::kMaxThreads + 1;
  for (uint32_t id = 3; id <= kLast; ++id) g_.CreateContext(id);
  for (uint32_t id = 1; id < Relay::kMaxThreads; ++id) {
    g_.gpu().Block(id);
    g_.Start(Tagged(id, 1));
    g_.gpu().WaitBlocked(id);
  }
  g_.gpu().Block(Relay::kMaxThreads);
  g_.Submit(Tagged(kLast, 1));
  g_.Submit(Tagged(kLast, 2));
  g_.Submit(Tagged(Relay::kMaxThreads, 1));
  g_.Kick();
  WaitAnswers(2);
  EXPECT_EQ(TagsOf(kLast), std::vector<uint32_t>({1, 2}));
  EXPECT_EQ(TagsOf(Relay::kMaxThreads), std::vector<uint32_t>());
}

}  // namespace
}  // namespace nacre::virtio_gpu
