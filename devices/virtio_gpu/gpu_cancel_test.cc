#include <cstdint>
#include <thread>

#include "devices/virtio_gpu/gpu_relief_test_base.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

// A reset waits for the calls into contexts that are under way: who is
// cancelled before it waits, so that it is not for long. Also for TSan.
namespace nacre::virtio_gpu {
namespace {

class GpuCancelTest : public GpuReliefTest {
 protected:
  // Resets the device while a call into `ctx_id` is blocked, which goes on when
  // `cancels` contexts have been cancelled.
  void ResetAround(uint32_t ctx_id, size_t cancels) {
    std::thread reset([this] { g_.driver().Reset(); });
    g_.gpu().WaitCancels(cancels);
    g_.gpu().Unblock(ctx_id);
    reset.join();
    EXPECT_TRUE(g_.gpu().contexts().empty());
  }
};

TEST_F(GpuCancelTest, AResetCancelsEveryContextBeforeItWaits) {
  BlockOne();
  ResetAround(kBlocked, 2);
  EXPECT_EQ(g_.gpu().cancels(), 2u);
}

TEST_F(GpuCancelTest, AContextMadeMeanwhileIsCancelledToo) {
  constexpr uint32_t kNew = 3;
  g_.gpu().Block(kNew);
  g_.Start(CreateContextRequest(kNew, FakeGpu::kCapsetId));
  g_.gpu().WaitBlocked(1);
  ResetAround(kNew, 2);
  EXPECT_EQ(g_.gpu().cancels(), 3u);
}

TEST_F(GpuCancelTest, AContextThatIsGoneOrGoesIsNot) {
  ASSERT_EQ(g_.Call(Request(Type::kCtxDestroy).Context(kOther)),
            Type::kOkNodata);
  g_.CreateContext(3);
  g_.gpu().Block(kBlocked);
  g_.Start(Request(Type::kCtxDestroy).Context(kBlocked));
  g_.gpu().WaitBlocked(1);
  ResetAround(kBlocked, 1);
  EXPECT_EQ(g_.gpu().cancels(), 1u);
}

TEST_F(GpuCancelTest, TheNextDriversContextsAreNot) {
  g_.driver().Reset();
  EXPECT_EQ(g_.gpu().cancels(), 2u);
  ASSERT_TRUE(g_.driver().Start().ok());
  g_.CreateContext(kOther);
  EXPECT_EQ(g_.Call(Tagged(kOther, 1)), Type::kOkNodata);
  EXPECT_EQ(g_.gpu().cancels(), 2u);
}

TEST_F(GpuCancelTest, MayComeWhileContextsComeAndGo) {
  for (int round = 0; round < 20; ++round) {
    g_.driver().Reset();
    ASSERT_TRUE(g_.driver().Start().ok());
    for (uint32_t id = 1; id <= 10; ++id) {
      g_.Submit(CreateContextRequest(id, FakeGpu::kCapsetId));
      g_.Submit(Tagged(id, 1));
      if (id % 2 != 0) g_.Submit(Request(Type::kCtxDestroy).Context(id));
    }
    g_.Kick();
  }
  g_.driver().Reset();
  EXPECT_TRUE(g_.gpu().contexts().empty());
}

}  // namespace
}  // namespace nacre::virtio_gpu
