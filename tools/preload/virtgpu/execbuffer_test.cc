#include <libdrm/drm.h>
#include <linux/sync_file.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "tools/preload/virtgpu/node_fixture.h"

// EXECBUFFER: what it refuses, what it waits for, and what tells of its end.

namespace nacre::preload {
namespace {

using Syncobj = drm_virtgpu_execbuffer_syncobj;

class ExecbufferTest : public VirtgpuNodeTest {
 protected:
  ExecbufferTest() { EXPECT_EQ(InitContext(node_, NativeContext()), 0); }

  static void SetIn(drm_virtgpu_execbuffer& execbuffer, const Syncobj& in) {
    execbuffer.num_in_syncobjs = 1;
    execbuffer.in_syncobjs = reinterpret_cast<uintptr_t>(&in);
  }
  static void SetOut(drm_virtgpu_execbuffer& execbuffer, const Syncobj& out) {
    execbuffer.num_out_syncobjs = 1;
    execbuffer.out_syncobjs = reinterpret_cast<uintptr_t>(&out);
  }
  static void SetInFence(drm_virtgpu_execbuffer& execbuffer, int fd) {
    execbuffer.flags |= VIRTGPU_EXECBUF_FENCE_FD_IN;
    execbuffer.fence_fd = fd;
  }
  uint64_t FencesMade() { return gpu().driver().counters().fences.value(); }
  bool SummaryHas(const std::string& member) {
    return gpu_->SummaryJson().find(member) != std::string::npos;
  }
  uint64_t Waits() { return gpu().execbuffers().waits_for_fences.load(); }

  // Executes on a thread of its own what has to wait for the busy GPU, and
  // sees that it does.
  void ExpectToWait(BusyGpu& busy, drm_virtgpu_execbuffer execbuffer) {
    std::atomic<bool> executed{false};
    std::thread thread([&] {
      EXPECT_EQ(Execute(execbuffer), 0);
      executed.store(true);
    });
    while (Waits() == 0) std::this_thread::yield();
    EXPECT_FALSE(executed.load());
    busy.Finish();
    thread.join();
    EXPECT_TRUE(Readable(busy.fence(), kLong));
  }
};

TEST_F(ExecbufferTest, BadOnesAreRefused) {
  drm_virtgpu_execbuffer execbuffer = Nop(kCpuRing, 8);
  EXPECT_EQ(Execute(execbuffer), EINVAL);
  execbuffer = Nop(64);
  EXPECT_EQ(Execute(execbuffer), EINVAL);
  const uint32_t no_handle = 9;
  execbuffer = Nop(kCpuRing);
  execbuffer.bo_handles = reinterpret_cast<uintptr_t>(&no_handle);
  execbuffer.num_bo_handles = 1;
  EXPECT_EQ(Execute(execbuffer), ENOENT);
  execbuffer = Nop(kCpuRing);
  SetInFence(execbuffer, node_);
  EXPECT_EQ(Execute(execbuffer), EINVAL);
}

TEST_F(ExecbufferTest, BadSyncobjsAreRefused) {
  const uint32_t empty = NewSyncobj();
  const auto with_in = [this](const Syncobj& in) {
    drm_virtgpu_execbuffer execbuffer = Nop(kCpuRing);
    SetIn(execbuffer, in);
    return Execute(execbuffer);
  };
  const auto with_out = [this](const Syncobj& out) {
    drm_virtgpu_execbuffer execbuffer = Nop(kCpuRing);
    SetOut(execbuffer, out);
    return Execute(execbuffer);
  };
  EXPECT_EQ(with_in({.handle = 9, .flags = 0, .point = 0}), ENOENT);
  EXPECT_EQ(with_in({.handle = empty, .flags = 2, .point = 0}), EINVAL);
  EXPECT_EQ(with_in({.handle = empty, .flags = 0, .point = 0}), EINVAL);
  EXPECT_EQ(with_out({.handle = 9, .flags = 0, .point = 0}), EINVAL);
  EXPECT_EQ(with_out({.handle = empty, .flags = 1, .point = 0}), EINVAL);
}

// Without rings of its own a context has the device's timeline alone.
TEST_F(ExecbufferTest, RingsAreForContextsThatHaveThem) {
  const int other = Open();
  ASSERT_EQ(InitContext(other, {{VIRTGPU_CONTEXT_PARAM_CAPSET_ID, kCapset}}),
            0);
  drm_virtgpu_execbuffer execbuffer = Nop(0);
  EXPECT_EQ(Call(other, DRM_IOCTL_VIRTGPU_EXECBUFFER, execbuffer), EINVAL);
  execbuffer.flags = VIRTGPU_EXECBUF_FENCE_FD_OUT;
  ASSERT_EQ(Call(other, DRM_IOCTL_VIRTGPU_EXECBUFFER, execbuffer), 0);
  EXPECT_TRUE(Readable(execbuffer.fence_fd, kLong));
}

TEST_F(ExecbufferTest, AFenceIsMadeOnlyWhereOneIsAskedFor) {
  drm_virtgpu_execbuffer execbuffer = Nop(kCpuRing);
  ASSERT_EQ(Execute(execbuffer), 0);
  EXPECT_EQ(execbuffer.fence_fd, -1);
  EXPECT_EQ(FencesMade(), 0u);
  ExecuteForFence(Nop(kCpuRing));
  EXPECT_EQ(FencesMade(), 1u);
}

TEST_F(ExecbufferTest, AFenceTellsOfItsRingAlone) {
  BusyGpu busy(*this);
  EXPECT_TRUE(Readable(ExecuteForFence(Nop(kCpuRing)), kLong));
  const int behind = ExecuteForFence(Nop(kGpuRing));
  EXPECT_FALSE(Readable(busy.fence()));
  EXPECT_FALSE(Readable(behind));
  busy.Finish();
  EXPECT_TRUE(Readable(behind, kLong));
  EXPECT_TRUE(Readable(busy.fence()));
}

TEST_F(ExecbufferTest, ASyncFileTellsWhoseFenceItIs) {
  const int fence = ExecuteForFence(Nop(kCpuRing));
  ASSERT_TRUE(Readable(fence, kLong));
  sync_fence_info one{};
  sync_file_info info{};
  info.num_fences = 1;
  info.sync_fence_info = reinterpret_cast<uintptr_t>(&one);
  ASSERT_EQ(Call(fence, SYNC_IOC_FILE_INFO, info), 0);
  EXPECT_EQ(info.status, 1);
  EXPECT_STREQ(one.driver_name, "virtio_gpu");
  EXPECT_STREQ(one.obj_name, "controlq");
}

TEST_F(ExecbufferTest, InFencesOfOtherRingsAreWaitedForInTheGuest) {
  BusyGpu busy(*this);
  drm_virtgpu_execbuffer execbuffer = Nop(kCpuRing);
  SetInFence(execbuffer, busy.fence());
  ExpectToWait(busy, execbuffer);
}

TEST_F(ExecbufferTest, InFencesOfTheSameRingAreNot) {
  BusyGpu busy(*this);
  drm_virtgpu_execbuffer execbuffer = Nop(kGpuRing);
  SetInFence(execbuffer, busy.fence());
  EXPECT_EQ(Execute(execbuffer), 0);
  EXPECT_FALSE(Readable(busy.fence()));
  EXPECT_EQ(Waits(), 0u);
}

TEST_F(ExecbufferTest, InSyncobjsAreWaitedForInTheGuest) {
  const uint32_t syncobj = NewSyncobj();
  BusyGpu busy(*this, syncobj);
  EXPECT_FALSE(Done(syncobj));
  const Syncobj in = {.handle = syncobj, .flags = 0, .point = 0};
  drm_virtgpu_execbuffer execbuffer = Nop(kCpuRing);
  SetIn(execbuffer, in);
  ExpectToWait(busy, execbuffer);
  EXPECT_TRUE(Done(syncobj));
}

TEST_F(ExecbufferTest, InSyncobjsAreResetWhereAsked) {
  const uint32_t syncobj = NewSyncobj();
  const Syncobj out = {.handle = syncobj, .flags = 0, .point = 0};
  drm_virtgpu_execbuffer execbuffer = Nop(kCpuRing);
  SetOut(execbuffer, out);
  ASSERT_EQ(Execute(execbuffer), 0);
  const Syncobj in = {
      .handle = syncobj, .flags = VIRTGPU_EXECBUF_SYNCOBJ_RESET, .point = 0};
  execbuffer = Nop(kCpuRing);
  SetIn(execbuffer, in);
  ASSERT_EQ(Execute(execbuffer), 0);
  EXPECT_EQ(Execute(execbuffer), EINVAL);  // It is empty now.
}

TEST_F(ExecbufferTest, TimelinesRise) {
  const uint32_t timeline = NewSyncobj();
  for (uint64_t point = 1; point <= 3; ++point) {
    const Syncobj in = {.handle = timeline, .flags = 0, .point = point - 1};
    const Syncobj out = {.handle = timeline, .flags = 0, .point = point};
    drm_virtgpu_execbuffer execbuffer = Nop(kGpuRing);
    if (point > 1) SetIn(execbuffer, in);
    SetOut(execbuffer, out);
    ASSERT_EQ(Execute(execbuffer), 0);
  }
  const uint64_t last = 3;
  drm_syncobj_timeline_wait wait{};
  wait.handles = reinterpret_cast<uintptr_t>(&timeline);
  wait.points = reinterpret_cast<uintptr_t>(&last);
  wait.count_handles = 1;
  wait.timeout_nsec = INT64_MAX;
  EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, wait), 0);
}

TEST_F(ExecbufferTest, WaitIsForTheBuffersThatAreNamed) {
  BusyGpu busy(*this);
  drm_virtgpu_3d_wait wait = {.handle = busy.buffer().handle,
                              .flags = VIRTGPU_WAIT_NOWAIT};
  EXPECT_EQ(Call(DRM_IOCTL_VIRTGPU_WAIT, wait), EBUSY);
  drm_virtgpu_3d_wait idle = {.handle = NewBuffer().handle, .flags = 0};
  EXPECT_EQ(Call(DRM_IOCTL_VIRTGPU_WAIT, idle), 0);
  std::thread finish([&] { busy.Finish(); });
  wait.flags = 0;
  EXPECT_EQ(Call(DRM_IOCTL_VIRTGPU_WAIT, wait), 0);
  EXPECT_TRUE(Readable(busy.fence(), kLong));
  finish.join();
  wait = {.handle = 9, .flags = 0};
  EXPECT_EQ(Call(DRM_IOCTL_VIRTGPU_WAIT, wait), ENOENT);
}

TEST_F(ExecbufferTest, BuffersLiveUntilTheFenceSignals) {
  BusyGpu busy(*this);
  ASSERT_EQ(CloseHandle(busy.buffer().handle), 0);
  busy.Finish();
  EXPECT_TRUE(Readable(busy.fence(), kLong));
  // Then they are let go.
  while (!SummaryHas("\"resources_now\": \"0\"")) std::this_thread::yield();
  EXPECT_TRUE(SummaryHas("\"errors\": \"0\""));
}

class EventsTest : public VirtgpuNodeTest {
 protected:
  static constexpr uint32_t kPolled = 1;
  EventsTest() {
    ContextParams params = NativeContext();
    params.push_back(
        {VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK, uint64_t{1} << kPolled});
    EXPECT_EQ(InitContext(node_, params), 0);
  }
  int Read(void* bytes, size_t size, size_t& got) {
    const absl::StatusOr<size_t> result = fds_.Find(node_)->Read(bytes, size);
    got = result.ok() ? *result : 0;
    return StatusErrno(result.status());
  }
};

TEST_F(EventsTest, FencesOfPolledRingsAreEvents) {
  drm_virtgpu_execbuffer execbuffer = Nop(kPolled);
  ASSERT_EQ(Execute(execbuffer), 0);
  EXPECT_TRUE(Readable(node_, kLong));
  drm_virtgpu_event events[2] = {};
  size_t got = 0;
  ASSERT_EQ(Read(events, sizeof(events), got), 0);
  EXPECT_EQ(got, sizeof(events[0]));
  EXPECT_EQ(events[0].type, VIRTGPU_EVENT_FENCE_SIGNALED);
  EXPECT_EQ(events[0].length, sizeof(events[0]));
  EXPECT_FALSE(Readable(node_));
  EXPECT_EQ(Read(events, sizeof(events), got), EAGAIN);
}

TEST_F(EventsTest, OthersAreNot) {
  ASSERT_TRUE(Readable(ExecuteForFence(Nop(kCpuRing)), kLong));
  EXPECT_FALSE(Readable(node_));
}

// drm_event_reserve_init.
TEST_F(EventsTest, ThoseThatNobodyReadsHaveAnEnd) {
  for (size_t i = 0; i < EventQueue::kMaxBytes / sizeof(drm_virtgpu_event);
       ++i) {
    drm_virtgpu_execbuffer execbuffer = Nop(kPolled);
    ASSERT_EQ(Execute(execbuffer), 0);
  }
  drm_virtgpu_execbuffer execbuffer = Nop(kPolled);
  EXPECT_EQ(Execute(execbuffer), ENOMEM);
}

}  // namespace
}  // namespace nacre::preload
