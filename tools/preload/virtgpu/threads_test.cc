#include <libdrm/drm.h>

#include <cstdint>
#include <thread>

#include "tools/preload/virtgpu/node_fixture.h"

// Many threads of one program, at the same open file and at files of their own;
// above all for TSan to look at.

namespace nacre::preload {
namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 50;

class VirtgpuThreadsTest : public VirtgpuNodeTest {
 protected:
  template <typename Body>
  void InThreads(Body body) {
    std::thread threads[kThreads];
    for (int i = 0; i < kThreads; ++i) {
      threads[i] = std::thread([=] { body(i); });
    }
    for (std::thread& thread : threads) thread.join();
  }
  // A fence of the ring's, waited for.
  void SubmitAndWait(int fd, drm_virtgpu_execbuffer execbuffer) {
    execbuffer.flags |= VIRTGPU_EXECBUF_FENCE_FD_OUT;
    EXPECT_EQ(Call(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, execbuffer), 0);
    EXPECT_TRUE(Readable(execbuffer.fence_fd, kLong));
    Close(execbuffer.fence_fd);
  }
  // A blob without a command: the context's control memory.
  uint32_t NewBlob(int fd) {
    drm_virtgpu_resource_create_blob blob{};
    blob.blob_mem = VIRTGPU_BLOB_MEM_HOST3D;
    blob.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE;
    blob.size = 65536;
    EXPECT_EQ(Call(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, blob), 0);
    return blob.bo_handle;
  }
};

TEST_F(VirtgpuThreadsTest, ShareAFile) {
  ASSERT_EQ(InitContext(node_, NativeContext()), 0);
  const drm_virtgpu_execbuffer execbuffer = Nop(kCpuRing);
  const uint32_t timelines[kThreads] = {NewSyncobj(), NewSyncobj(),
                                        NewSyncobj(), NewSyncobj()};
  InThreads([&](int i) {
    for (uint64_t point = 1; point <= kRounds; ++point) {
      const drm_virtgpu_execbuffer_syncobj out = {
          .handle = timelines[i], .flags = 0, .point = point};
      drm_virtgpu_execbuffer own = execbuffer;
      own.num_out_syncobjs = 1;
      own.out_syncobjs = reinterpret_cast<uintptr_t>(&out);
      SubmitAndWait(node_, own);
      drm_syncobj_timeline_wait wait{};
      wait.handles = reinterpret_cast<uintptr_t>(&timelines[i]);
      wait.points = reinterpret_cast<uintptr_t>(&point);
      wait.count_handles = 1;
      wait.timeout_nsec = INT64_MAX;
      EXPECT_EQ(Call(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, wait), 0);
    }
  });
}

TEST_F(VirtgpuThreadsTest, HaveFilesOfTheirOwn) {
  const drm_virtgpu_execbuffer execbuffer = Nop(kGpuRing);
  InThreads([&](int) {
    for (int i = 0; i < kRounds / 5; ++i) {
      const int fd = Open();
      EXPECT_EQ(InitContext(fd, NativeContext()), 0);
      const uint32_t handle = NewBlob(fd);
      SubmitAndWait(fd, execbuffer);
      EXPECT_EQ(CloseHandle(handle, fd), 0);
      Close(fd);
    }
  });
}

}  // namespace
}  // namespace nacre::preload
