#include <libdrm/drm.h>
#include <linux/sync_file.h>

#include <cstdint>
#include <thread>

#include "tools/preload/msm/node_fixture.h"

// Many threads of one program at the same open file, as drivers and their
// programs are; above all for TSan to look at.

namespace nacre::preload {
namespace {

using namespace msm;  // NOLINT: the kernel's names.

constexpr int kThreads = 4;
constexpr uint64_t kRounds = 100;

class ThreadsTest : public NodeTest {
 protected:
  template <typename Body>
  void InThreads(Body body) {
    std::thread threads[kThreads];
    for (int i = 0; i < kThreads; ++i) {
      threads[i] = std::thread([=] { body(i); });
    }
    for (std::thread& thread : threads) thread.join();
  }
  uint32_t NewSyncobj() {
    drm_syncobj_create create = {.handle = 0, .flags = 0};
    EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_CREATE, create), 0);
    return create.handle;
  }
  // Submits behind `in`, signalling `out`; 0 is none.
  void Submit(drm_msm_gem_submit_syncobj in, drm_msm_gem_submit_syncobj out) {
    drm_msm_gem_submit submit = EmptySubmit(MSM_SUBMIT_SYNCOBJ_OUT);
    submit.out_syncobjs = reinterpret_cast<uintptr_t>(&out);
    submit.nr_out_syncobjs = 1;
    if (in.handle != 0) {
      submit.flags |= MSM_SUBMIT_SYNCOBJ_IN;
      submit.in_syncobjs = reinterpret_cast<uintptr_t>(&in);
      submit.nr_in_syncobjs = 1;
    }
    EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_SUBMIT, submit), 0);
  }
  int WaitPoint(uint32_t handle, uint64_t point) {
    drm_syncobj_timeline_wait wait{};
    wait.handles = reinterpret_cast<uintptr_t>(&handle);
    wait.points = reinterpret_cast<uintptr_t>(&point);
    wait.count_handles = 1;
    wait.timeout_nsec = INT64_MAX;
    wait.flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT;
    return Call(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, wait);
  }
};

// A ring of timelines: each thread waits for its neighbour's before it goes on,
// by the GPU and by the CPU in turn.
TEST_F(ThreadsTest, TimelinesKeepThreadsInStep) {
  uint32_t timelines[kThreads];
  for (uint32_t& timeline : timelines) timeline = NewSyncobj();
  InThreads([&](int i) {
    const uint32_t own = timelines[i];
    const uint32_t other = timelines[(i + 1) % kThreads];
    for (uint64_t point = 1; point <= kRounds; ++point) {
      drm_msm_gem_submit_syncobj in{};
      if (point > 1) {
        EXPECT_EQ(WaitPoint(other, point - 1), 0);
        in = {.handle = other, .flags = 0, .point = point - 1};
      }
      Submit(in, {.handle = own, .flags = 0, .point = point});
    }
    EXPECT_EQ(WaitPoint(other, kRounds), 0);
  });
}

TEST_F(ThreadsTest, SyncFilesComeAndGo) {
  InThreads([&](int) {
    for (uint64_t i = 0; i < kRounds; ++i) {
      drm_msm_gem_submit submit = EmptySubmit(MSM_SUBMIT_FENCE_FD_OUT);
      EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_SUBMIT, submit), 0);
      sync_merge_data merge{};
      merge.fd2 = submit.fence_fd;
      EXPECT_EQ(Call(submit.fence_fd, SYNC_IOC_MERGE, merge), 0);
      EXPECT_TRUE(Readable(merge.fence, kLong));
      EXPECT_TRUE(Readable(submit.fence_fd, kLong));
      for (const int fd : {submit.fence_fd, merge.fence}) {
        // As close(2) does; the number is another's right after.
        const FdTable::File file = fds_.Remove(fd);
        close(fd);
      }
    }
  });
}

TEST_F(ThreadsTest, BuffersComeAndGoWhileOthersWait) {
  BusyGpu busy(*this);
  std::thread waiter([&] {
    drm_msm_wait_fence wait{};
    wait.fence = busy.fence();
    wait.timeout = {.tv_sec = INT64_MAX, .tv_nsec = 0};
    EXPECT_EQ(Call(DRM_IOCTL_MSM_WAIT_FENCE, wait), 0);
  });
  InThreads([&](int) {
    for (uint64_t i = 0; i < kRounds; ++i) {
      const uint32_t handle = NewObject();
      EXPECT_NE(Info(handle, MSM_INFO_GET_IOVA), 0u);
      drm_gem_close gem_close = {.handle = handle, .pad = 0};
      EXPECT_EQ(Call(DRM_IOCTL_GEM_CLOSE, gem_close), 0);
    }
  });
  busy.Finish();
  waiter.join();
}

}  // namespace
}  // namespace nacre::preload
