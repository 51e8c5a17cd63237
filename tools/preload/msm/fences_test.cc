#include <libdrm/drm.h>
#include <linux/sync_file.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "tools/preload/msm/node_fixture.h"

// Fences in and out of submissions, as sync_files and as syncobjs.

namespace nacre::preload {
namespace {

using namespace msm;  // NOLINT: the kernel's names.

constexpr int64_t kForever = INT64_MAX;

class FencesTest : public NodeTest {
 protected:
  uint32_t NewSyncobj(uint32_t flags = 0) {
    drm_syncobj_create create = {.handle = 0, .flags = flags};
    EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_CREATE, create), 0);
    return create.handle;
  }
  // Submits with one syncobj on each side, where it is not 0.
  int SubmitWith(drm_msm_gem_submit_syncobj in, drm_msm_gem_submit_syncobj out,
                 int* fence_fd = nullptr) {
    drm_msm_gem_submit submit = EmptySubmit();
    submit.in_syncobjs = reinterpret_cast<uintptr_t>(&in);
    submit.out_syncobjs = reinterpret_cast<uintptr_t>(&out);
    if (in.handle != 0) {
      submit.flags |= MSM_SUBMIT_SYNCOBJ_IN;
      submit.nr_in_syncobjs = 1;
    }
    if (out.handle != 0) {
      submit.flags |= MSM_SUBMIT_SYNCOBJ_OUT;
      submit.nr_out_syncobjs = 1;
    }
    if (fence_fd != nullptr) submit.flags |= MSM_SUBMIT_FENCE_FD_OUT;
    const int result = Call(DRM_IOCTL_MSM_GEM_SUBMIT, submit);
    if (fence_fd != nullptr) *fence_fd = submit.fence_fd;
    return result;
  }
  int Wait(uint32_t handle, int64_t timeout, uint32_t flags = 0) {
    drm_syncobj_wait wait{};
    wait.handles = reinterpret_cast<uintptr_t>(&handle);
    wait.count_handles = 1;
    wait.timeout_nsec = timeout;
    wait.flags = flags;
    return Call(DRM_IOCTL_SYNCOBJ_WAIT, wait);
  }
  int WaitPoint(uint32_t handle, uint64_t point, int64_t timeout,
                uint32_t flags = 0) {
    drm_syncobj_timeline_wait wait{};
    wait.handles = reinterpret_cast<uintptr_t>(&handle);
    wait.points = reinterpret_cast<uintptr_t>(&point);
    wait.count_handles = 1;
    wait.timeout_nsec = timeout;
    wait.flags = flags;
    return Call(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, wait);
  }
  int SignalPoint(uint32_t handle, uint64_t point) {
    drm_syncobj_timeline_array array{};
    array.handles = reinterpret_cast<uintptr_t>(&handle);
    array.points = reinterpret_cast<uintptr_t>(&point);
    array.count_handles = 1;
    return Call(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, array);
  }
  uint64_t Query(uint32_t handle, uint32_t flags = 0) {
    uint64_t point = ~0ull;
    drm_syncobj_timeline_array array{};
    array.handles = reinterpret_cast<uintptr_t>(&handle);
    array.points = reinterpret_cast<uintptr_t>(&point);
    array.count_handles = 1;
    array.flags = flags;
    EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_QUERY, array), 0);
    return point;
  }
  int Change(uint32_t request, uint32_t handle) {
    drm_syncobj_array array{};
    array.handles = reinterpret_cast<uintptr_t>(&handle);
    array.count_handles = 1;
    return Call(request, array);
  }
  // SYNCOBJ_HANDLE_TO_FD and back.
  int Exchange(uint32_t request, drm_syncobj_handle& argument) {
    return Call(request, argument);
  }
};

TEST_F(FencesTest, FenceNumbersCountFromOne) {
  drm_msm_gem_submit submit = EmptySubmit();
  ASSERT_EQ(Call(DRM_IOCTL_MSM_GEM_SUBMIT, submit), 0);
  EXPECT_EQ(submit.fence, 1u);
  ASSERT_EQ(Call(DRM_IOCTL_MSM_GEM_SUBMIT, submit), 0);
  EXPECT_EQ(submit.fence, 2u);
}

// abi.md C.7, in the order of its rows.
TEST_F(FencesTest, BadSubmissionsAreRefused) {
  drm_msm_gem_submit submit = EmptySubmit();
  submit.pad = 1;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_SUBMIT, submit), EINVAL);
  submit = EmptySubmit(MSM_SUBMIT_SUDO);
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_SUBMIT, submit), EINVAL);
  submit = EmptySubmit(MSM_SUBMIT_FENCE_FD_IN);
  submit.queueid = 9;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_SUBMIT, submit), ENOENT);
  submit.queueid = 0;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_SUBMIT, submit), EINVAL);
  submit.fence_fd = node_;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_SUBMIT, submit), EINVAL);

  const uint32_t syncobj = NewSyncobj();
  EXPECT_EQ(SubmitWith({.handle = 9, .flags = 0, .point = 0}, {}), ENOENT);
  EXPECT_EQ(SubmitWith({.handle = 9, .flags = 2, .point = 0}, {}), EINVAL);
  EXPECT_EQ(SubmitWith({.handle = syncobj, .flags = 0, .point = 0}, {}),
            EINVAL);  // It has no fence.
  EXPECT_EQ(SubmitWith({}, {.handle = 9, .flags = 0, .point = 0}), EINVAL);
  EXPECT_EQ(SubmitWith({}, {.handle = syncobj, .flags = 1, .point = 0}),
            EINVAL);
}

TEST_F(FencesTest, ASyncFilePollsReadableOnceTheWorkIsDone) {
  BusyGpu busy(*this);
  int fd = -1;
  ASSERT_EQ(SubmitWith({}, {}, &fd), 0);
  EXPECT_FALSE(Readable(fd));
  busy.Finish();
  EXPECT_TRUE(Readable(fd, kLong));
  EXPECT_TRUE(Readable(fd));
}

TEST_F(FencesTest, ASyncFileTellsAboutItsFences) {
  BusyGpu busy(*this);
  int fd = -1;
  ASSERT_EQ(SubmitWith({}, {}, &fd), 0);
  sync_fence_info fence{};
  sync_file_info info{};
  info.num_fences = 1;
  info.sync_fence_info = reinterpret_cast<uintptr_t>(&fence);
  ASSERT_EQ(Call(fd, SYNC_IOC_FILE_INFO, info), 0);
  EXPECT_EQ(info.status, 0);
  EXPECT_EQ(info.num_fences, 1u);
  EXPECT_EQ(fence.status, 0);
  busy.Finish();
  ASSERT_TRUE(Readable(fd, kLong));
  ASSERT_EQ(Call(fd, SYNC_IOC_FILE_INFO, info), 0);
  EXPECT_EQ(info.status, 1);
  EXPECT_EQ(fence.status, 1);
  EXPECT_STREQ(fence.driver_name, "msm");
  info.flags = 1;
  EXPECT_EQ(Call(fd, SYNC_IOC_FILE_INFO, info), EINVAL);
  EXPECT_EQ(Call(fd, _IOWR('>', 9, sync_file_info), info), ENOTTY);
}

TEST_F(FencesTest, AMergedSyncFileWaitsForBoth) {
  int done = -1, pending = -1;
  ASSERT_EQ(SubmitWith({}, {}, &done), 0);
  ASSERT_TRUE(Readable(done, kLong));
  BusyGpu busy(*this);
  ASSERT_EQ(SubmitWith({}, {}, &pending), 0);
  sync_merge_data merge{};
  std::strcpy(merge.name, "both");
  merge.fd2 = pending;
  ASSERT_EQ(Call(done, SYNC_IOC_MERGE, merge), 0);
  EXPECT_FALSE(Readable(merge.fence));
  sync_file_info info{};
  ASSERT_EQ(Call(merge.fence, SYNC_IOC_FILE_INFO, info), 0);
  EXPECT_STREQ(info.name, "both");
  busy.Finish();
  EXPECT_TRUE(Readable(merge.fence, kLong));
  merge.fd2 = node_;
  EXPECT_EQ(Call(done, SYNC_IOC_MERGE, merge), ENOENT);
}

TEST_F(FencesTest, WorkWaitsForItsInFence) {
  BusyGpu busy(*this);
  int fence = -1;
  ASSERT_EQ(SubmitWith({}, {}, &fence), 0);
  // In another file, so in another FIFO.
  const int other = Open();
  drm_msm_gem_submit submit =
      EmptySubmit(MSM_SUBMIT_FENCE_FD_IN | MSM_SUBMIT_FENCE_FD_OUT);
  submit.fence_fd = fence;
  ASSERT_EQ(Call(other, DRM_IOCTL_MSM_GEM_SUBMIT, submit), 0);
  EXPECT_NE(submit.fence_fd, fence);
  EXPECT_FALSE(Readable(submit.fence_fd));
  busy.Finish();
  EXPECT_TRUE(Readable(submit.fence_fd, kLong));
  EXPECT_TRUE(Readable(fence));
}

TEST_F(FencesTest, BinarySyncobjsAreSignalledAndReset) {
  const uint32_t syncobj = NewSyncobj();
  EXPECT_EQ(Wait(syncobj, 0), EINVAL);
  EXPECT_EQ(Wait(syncobj, 0, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT), ETIME);
  BusyGpu busy(*this);
  ASSERT_EQ(SubmitWith({}, {.handle = syncobj, .flags = 0, .point = 0}), 0);
  EXPECT_EQ(Wait(syncobj, 0), ETIME);
  busy.Finish();
  EXPECT_EQ(Wait(syncobj, kForever), 0);
  ASSERT_EQ(
      SubmitWith(
          {.handle = syncobj, .flags = MSM_SUBMIT_SYNCOBJ_RESET, .point = 0},
          {}),
      0);
  EXPECT_EQ(Wait(syncobj, 0), EINVAL);
}

TEST_F(FencesTest, TimelinePointsAreSignalledByWork) {
  const uint32_t timeline = NewSyncobj();
  BusyGpu busy(*this);
  ASSERT_EQ(SubmitWith({}, {.handle = timeline, .flags = 0, .point = 10}), 0);
  EXPECT_EQ(WaitPoint(timeline, 10, 0), ETIME);
  EXPECT_EQ(WaitPoint(timeline, 10, 0, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE),
            0);
  EXPECT_EQ(WaitPoint(timeline, 11, 0), EINVAL);
  EXPECT_EQ(WaitPoint(timeline, 11, 0, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT),
            ETIME);
  EXPECT_EQ(Query(timeline), 0u);
  EXPECT_EQ(Query(timeline, DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED), 10u);
  busy.Finish();
  EXPECT_EQ(WaitPoint(timeline, 10, kForever), 0);
  EXPECT_EQ(Query(timeline), 10u);
}

TEST_F(FencesTest, AWaitBeforeTheSubmissionEndsWithIt) {
  const uint32_t timeline = NewSyncobj();
  std::thread waiter([&] {
    EXPECT_EQ(WaitPoint(timeline, 3, kForever,
                        DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT),
              0);
  });
  EXPECT_EQ(SignalPoint(timeline, 1), 0);
  ASSERT_EQ(SubmitWith({}, {.handle = timeline, .flags = 0, .point = 3}), 0);
  waiter.join();
}

TEST_F(FencesTest, AnyOrAllOfSeveral) {
  const uint32_t handles[] = {NewSyncobj(),
                              NewSyncobj(DRM_SYNCOBJ_CREATE_SIGNALED)};
  BusyGpu busy(*this);
  ASSERT_EQ(SubmitWith({}, {.handle = handles[0], .flags = 0, .point = 0}), 0);
  drm_syncobj_wait wait{};
  wait.handles = reinterpret_cast<uintptr_t>(handles);
  wait.count_handles = 2;
  ASSERT_EQ(Call(DRM_IOCTL_SYNCOBJ_WAIT, wait), 0);
  EXPECT_EQ(wait.first_signaled, 1u);
  wait.flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL;
  EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_WAIT, wait), ETIME);
  busy.Finish();
  wait.timeout_nsec = kForever;
  EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_WAIT, wait), 0);
  wait.flags = 1 << 30;
  EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_WAIT, wait), EINVAL);
}

TEST_F(FencesTest, SyncobjsChangeByHand) {
  const uint32_t syncobj = NewSyncobj();
  EXPECT_EQ(Change(DRM_IOCTL_SYNCOBJ_SIGNAL, syncobj), 0);
  EXPECT_EQ(Wait(syncobj, 0), 0);
  EXPECT_EQ(Change(DRM_IOCTL_SYNCOBJ_RESET, syncobj), 0);
  EXPECT_EQ(Wait(syncobj, 0), EINVAL);
  EXPECT_EQ(SignalPoint(syncobj, 7), 0);
  EXPECT_EQ(Query(syncobj), 7u);
  EXPECT_EQ(Change(DRM_IOCTL_SYNCOBJ_SIGNAL, 99), ENOENT);
  drm_syncobj_array none{};
  EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_RESET, none), EINVAL);
  drm_syncobj_destroy destroy = {.handle = syncobj, .pad = 0};
  EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_DESTROY, destroy), 0);
  EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_DESTROY, destroy), EINVAL);
}

TEST_F(FencesTest, PointsMoveBetweenSyncobjs) {
  const uint32_t timeline = NewSyncobj(), binary = NewSyncobj();
  BusyGpu busy(*this);
  ASSERT_EQ(SubmitWith({}, {.handle = timeline, .flags = 0, .point = 4}), 0);
  drm_syncobj_transfer transfer{};
  transfer.src_handle = timeline;
  transfer.src_point = 5;
  transfer.dst_handle = binary;
  EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_TRANSFER, transfer), EINVAL);
  transfer.src_point = 4;
  ASSERT_EQ(Call(DRM_IOCTL_SYNCOBJ_TRANSFER, transfer), 0);
  EXPECT_EQ(Wait(binary, 0), ETIME);
  transfer = {};
  transfer.src_handle = binary;
  transfer.dst_handle = timeline;
  transfer.dst_point = 8;
  ASSERT_EQ(Call(DRM_IOCTL_SYNCOBJ_TRANSFER, transfer), 0);
  EXPECT_EQ(Query(timeline, DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED), 8u);
  busy.Finish();
  EXPECT_EQ(WaitPoint(timeline, 8, kForever), 0);
  EXPECT_EQ(Wait(binary, 0), 0);
  transfer.dst_handle = 99;
  EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_TRANSFER, transfer), ENOENT);
}

TEST_F(FencesTest, SyncobjsAndSyncFilesBecomeEachOther) {
  const uint32_t syncobj = NewSyncobj();
  drm_syncobj_handle handle{};
  handle.handle = syncobj;
  handle.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE;
  EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, handle), EINVAL);  // Empty.
  BusyGpu busy(*this);
  ASSERT_EQ(SubmitWith({}, {.handle = syncobj, .flags = 0, .point = 0}), 0);
  ASSERT_EQ(Call(DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, handle), 0);
  EXPECT_FALSE(Readable(handle.fd));
  const int sync_file = handle.fd;

  handle.handle = NewSyncobj();
  handle.flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE;
  ASSERT_EQ(Call(DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, handle), 0);
  EXPECT_EQ(Wait(handle.handle, 0), ETIME);
  busy.Finish();
  EXPECT_TRUE(Readable(sync_file, kLong));
  EXPECT_EQ(Wait(handle.handle, 0), 0);
  handle.fd = node_;
  EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, handle), EINVAL);
}

TEST_F(FencesTest, ASyncobjIsSharedByItsDescriptor) {
  const uint32_t syncobj = NewSyncobj();
  drm_syncobj_handle handle{};
  handle.handle = syncobj;
  ASSERT_EQ(Call(DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, handle), 0);
  const int other = Open();
  ASSERT_EQ(Call(other, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, handle), 0);
  ASSERT_EQ(SignalPoint(syncobj, 2), 0);
  uint64_t point = 0;
  drm_syncobj_timeline_array array{};
  array.handles = reinterpret_cast<uintptr_t>(&handle.handle);
  array.points = reinterpret_cast<uintptr_t>(&point);
  array.count_handles = 1;
  ASSERT_EQ(Call(other, DRM_IOCTL_SYNCOBJ_QUERY, array), 0);
  EXPECT_EQ(point, 2u);
}

}  // namespace
}  // namespace nacre::preload
