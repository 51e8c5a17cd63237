#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "base/testing/host_faults.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/open_fds.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

// What a reset leaves behind: nothing (virtio 1.3, 2.4), whatever the guest was
// in the middle of.
namespace nacre::virtio_gpu {
namespace {

using wire::Type;

constexpr uint64_t kPage = kLargestPageSize;

// A driver unloaded and loaded again, a guest reboot, a kexec.
TEST(GpuResetTest, EverythingOfTheGuestIsGoneAndTheDeviceWorksAgain) {
  GpuDriver g;
  size_t fds = 0;
  for (int round = 0; round < 3; ++round) {
    g.CreateContext(1);
    g.CreateHostBlob(1, 2, kPage);
    ASSERT_EQ(g.Call(MapRequest(2, 0)), Type::kOkMapInfo);
    g.window()[0] = 1;
    g.window()[10 * kPage] = 1;
    ASSERT_EQ(g.Call(Request(Type::kResourceCreate2d)
                         .With(wire::ResourceCreate2d{3, 1, 32, 32})),
              Type::kOkNodata);
    const wire::Rect r = {0, 0, 32, 32};
    ASSERT_EQ(
        g.Call(Request(Type::kSetScanout).With(wire::SetScanout{r, 0, 3})),
        Type::kOkNodata);
    ASSERT_EQ(
        g.Call(
            Request(Type::kResourceFlush).With(wire::ResourceFlush{r, 3, 0})),
        Type::kOkNodata);
    ASSERT_TRUE(g.sink().frame(0).has_value());

    g.driver().Reset();
    EXPECT_TRUE(g.gpu().contexts().empty());
    EXPECT_EQ(g.gpu().live_blobs(), 0);
    EXPECT_EQ(g.window()[0], 0);
    EXPECT_EQ(g.window()[10 * kPage], 0);
    EXPECT_FALSE(g.sink().frame(0).has_value());
    EXPECT_EQ(g.stats().contexts.value(), 0u);
    EXPECT_EQ(g.stats().resources.value(), 0u);
    EXPECT_EQ(g.stats().mapped_bytes.value(), 0u);
    EXPECT_EQ(g.stats().image_bytes.value(), 0u);
    if (round == 0) fds = OpenFds();
    EXPECT_EQ(OpenFds(), fds);
    ASSERT_TRUE(g.driver().Start().ok());
  }
  EXPECT_EQ(g.stats().activations.value(), 4u);
}

TEST(GpuResetTest, DropsPendingFencesAtOnce) {
  GpuDriver g;
  g.CreateContext(1);
  for (uint64_t id = 0; id < 20; ++id) g.Submit(g.Work(1, id % 4, id));
  g.Kick();
  g.gpu().WaitFences(20);
  g.driver().Reset();
  EXPECT_EQ(g.stats().fences_pending.value(), 0u);
  // Late ones find nobody.
  for (size_t i = 0; i < 20; ++i) g.gpu().SignalFence(i);
  ASSERT_TRUE(g.driver().Start().ok());
  g.CreateContext(1);
  EXPECT_EQ(g.Call(SubmitRequest(1, {}).Fence(100, 1)), Type::kOkNodata);
}

// In mid-command, with fences firing meanwhile.
TEST(GpuResetTest, MayComeAtAnyMoment) {
  GpuDriver g;
  size_t signalled = 0;
  for (int round = 0; round < 50; ++round) {
    g.CreateContext(1);
    for (uint64_t id = 0; id < 30; ++id) g.Submit(g.Work(1, id % 4, id));
    for (uint32_t id = 1; id < 20; ++id) {
      g.Submit(HostBlobRequest(1, id, kPage));
      g.Submit(MapRequest(id, id * kPage));
    }
    g.Kick();
    std::thread signaller([&g, &signalled] {
      for (const size_t end = g.gpu().fences(); signalled < end; ++signalled) {
        g.gpu().SignalFence(signalled);
      }
    });
    g.driver().Reset();
    EXPECT_TRUE(g.gpu().contexts().empty());
    EXPECT_EQ(g.gpu().live_blobs(), 0);
    signaller.join();
    ASSERT_TRUE(g.driver().Start().ok());
  }
}

// Nor what one boot leaves there for the next, before its driver or behind it.
TEST(GpuResetTest, EmptiesTheWindowWithoutActivation) {
  GpuDriver g;
  g.driver().Reset();
  g.window()[3 * kPage] = 1;
  g.device().Reset();
  EXPECT_EQ(g.window()[3 * kPage], 0);
  g.window()[3 * kPage] = 1;
  ASSERT_TRUE(g.driver().Start().ok());
  EXPECT_EQ(g.window()[3 * kPage], 0);
}

// What one driver had mapped is not for the next, whatever the host refuses.
TEST(GpuResetTest, ADriverThatStartsFindsAnEmptyWindow) {
  GpuDriver g;
  HostFault::Plan plan = {.first = 0, .repeatedly = false, .error = ENOMEM};
  for (bool reached = true; reached; ++plan.first) {
    for (const bool repeatedly : {false, true}) {
      g.CreateContext(1);
      g.CreateHostBlob(1, 2, kPage);
      ASSERT_EQ(g.Call(MapRequest(2, 0)), Type::kOkMapInfo);
      g.window()[0] = 1;
      g.window()[10 * kPage] = 1;
      {
        const HostFault fault({.first = 0, .repeatedly = true, .error = EIO});
        g.driver().Reset();
      }
      plan.repeatedly = repeatedly;
      bool started = false;
      {
        const HostFault fault(plan);
        started = g.driver().Start().ok();
        reached = fault.calls() > plan.first;
      }
      if (!started) {
        g.driver().Reset();
        ASSERT_TRUE(g.driver().Start().ok());
      }
      EXPECT_EQ(g.window()[0], 0) << plan.first;
      EXPECT_EQ(g.window()[10 * kPage], 0) << plan.first;
    }
  }
  EXPECT_GT(plan.first, 5u);
}

TEST(GpuResetTest, IsHarmlessWithoutActivation) {
  GpuDriver g;
  g.device().Reset();
  g.device().Reset();
}

}  // namespace
}  // namespace nacre::virtio_gpu
