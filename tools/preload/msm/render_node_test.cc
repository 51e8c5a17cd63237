#include "tools/preload/render_node.h"

#include <fcntl.h>
#include <libdrm/drm.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>

#include "tools/preload/msm/node_fixture.h"

// The ioctls of the DRM core and of the msm driver, their errnos among them.

namespace nacre::preload {
namespace {

using namespace msm;  // NOLINT: the kernel's names.

class RenderNodeTest : public NodeTest {};

TEST_F(RenderNodeTest, SaysThatItIsMsm) {
  char name[8] = {};
  drm_version version{};
  version.name = name;
  version.name_len = sizeof(name);
  ASSERT_EQ(Call(DRM_IOCTL_VERSION, version), 0);
  EXPECT_STREQ(name, "msm");
  EXPECT_EQ(version.name_len, 3u);
  EXPECT_EQ(version.version_major, 1);
  EXPECT_GE(version.version_minor, 9);  // SET_IOVA, FENCE_SN_IN.
  EXPECT_GT(version.desc_len, 0u);      // Asked for without room.
}

TEST_F(RenderNodeTest, HasTheCapsOfARenderNode) {
  for (const uint64_t cap : {DRM_CAP_SYNCOBJ, DRM_CAP_SYNCOBJ_TIMELINE}) {
    drm_get_cap argument = {.capability = cap, .value = 0};
    ASSERT_EQ(Call(DRM_IOCTL_GET_CAP, argument), 0);
    EXPECT_EQ(argument.value, 1u);
  }
  drm_get_cap prime = {.capability = DRM_CAP_PRIME, .value = 0};
  ASSERT_EQ(Call(DRM_IOCTL_GET_CAP, prime), 0);
  EXPECT_EQ(prime.value, 3u);
  drm_get_cap dumb = {.capability = DRM_CAP_DUMB_BUFFER, .value = 0};
  EXPECT_EQ(Call(DRM_IOCTL_GET_CAP, dumb), EOPNOTSUPP);
}

// drm_ioctl: by number, the size is the program's.
TEST_F(RenderNodeTest, ArgumentsOfOtherSizesAreExtendedOrCut) {
  struct Longer {
    drm_get_cap cap;
    uint64_t more;
  } longer = {.cap = {.capability = DRM_CAP_SYNCOBJ, .value = 0}, .more = 7};
  EXPECT_EQ(Call(_IOWR('d', 0x0c, Longer), longer), 0);
  EXPECT_EQ(longer.cap.value, 1u);
  uint64_t shorter = DRM_CAP_SYNCOBJ;  // No room for the value.
  EXPECT_EQ(Call(_IOWR('d', 0x0c, uint64_t), shorter), 0);
  EXPECT_EQ(shorter, uint64_t{DRM_CAP_SYNCOBJ});
}

TEST_F(RenderNodeTest, UnknownIoctlsAreRefused) {
  uint64_t argument = 0;
  EXPECT_EQ(Call(_IOWR('d', 0x49, uint64_t), argument), EINVAL);  // A gap.
  EXPECT_EQ(Call(_IOWR('d', 0xf0, uint64_t), argument), EINVAL);
  EXPECT_EQ(Call(_IOWR('x', 0x40, uint64_t), argument), ENOTTY);
  EXPECT_EQ(Call(_IOW('d', 0x11, uint64_t), argument), EINVAL);
  drm_auth magic{};
  EXPECT_EQ(Call(DRM_IOCTL_GET_MAGIC, magic), EACCES);
}

TEST_F(RenderNodeTest, ParamsAreOfTheChip) {
  drm_msm_param param{};
  param.pipe = MSM_PIPE_3D0;
  param.param = MSM_PARAM_GPU_ID;
  ASSERT_EQ(Call(DRM_IOCTL_MSM_GET_PARAM, param), 0);
  EXPECT_EQ(param.value, 660u);
  param.param = 0x99;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GET_PARAM, param), EINVAL);
  param.param = MSM_PARAM_GPU_ID;
  param.len = 1;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GET_PARAM, param), EINVAL);
  param.len = 0;
  param.pipe = 1;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GET_PARAM, param), EINVAL);
}

TEST_F(RenderNodeTest, SetParamTakesNames) {
  const std::string name = "frames";
  drm_msm_param param{};
  param.pipe = MSM_PIPE_3D0;
  param.param = MSM_PARAM_COMM;
  param.value = reinterpret_cast<uintptr_t>(name.data());
  param.len = 6;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_SET_PARAM, param), 0);
  param.len = 1 << 20;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_SET_PARAM, param), EINVAL);
  param.param = MSM_PARAM_SYSPROF;
  param.len = 0;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_SET_PARAM, param), EPERM);
}

TEST_F(RenderNodeTest, ObjectsAreMappedAtTheirOffsets) {
  const uint32_t handle = NewObject(8192);
  const uint64_t offset = Info(handle, MSM_INFO_GET_OFFSET);
  EXPECT_NE(offset, 0u);
  Map(handle, 8192)[2047] = 5;
  EXPECT_EQ(Map(handle, 8192)[2047], 5u);
  const auto map = [&](uint64_t at, size_t length) {
    const OpenFile::MapRequest request = {.length = length, .offset = at};
    return StatusErrno(fds_.Find(node_)->Map(request).status());
  };
  EXPECT_EQ(map(offset, 8193), EINVAL);
  EXPECT_EQ(map(offset + 4096, 4096), EINVAL);
  EXPECT_EQ(map(0, 4096), EINVAL);
  drm_gem_close gem_close = {.handle = handle, .pad = 0};
  ASSERT_EQ(Call(DRM_IOCTL_GEM_CLOSE, gem_close), 0);
  EXPECT_EQ(map(offset, 4096), EINVAL);
}

TEST_F(RenderNodeTest, InfoChecksBeforeItAnswers) {
  const uint32_t handle = NewObject();
  drm_msm_gem_info info{};
  info.handle = handle;
  info.info = MSM_INFO_GET_OFFSET;
  info.len = 1;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_INFO, info), EINVAL);
  info.len = 0;
  info.pad = 1;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_INFO, info), EINVAL);
  info.pad = 0;
  info.info = 8;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_INFO, info), EINVAL);
  info.info = MSM_INFO_GET_FLAGS;
  info.handle = 77;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_INFO, info), ENOENT);
  EXPECT_EQ(Info(handle, MSM_INFO_GET_FLAGS), MSM_BO_WC);
}

TEST_F(RenderNodeTest, NamesAndMetadataComeBack) {
  char name[] = "depth";
  drm_msm_gem_info info{};
  info.handle = NewObject();
  info.info = MSM_INFO_SET_NAME;
  info.value = reinterpret_cast<uintptr_t>(name);
  info.len = 5;
  ASSERT_EQ(Call(DRM_IOCTL_MSM_GEM_INFO, info), 0);
  char out[32] = {};
  info.info = MSM_INFO_GET_NAME;
  info.value = reinterpret_cast<uintptr_t>(out);
  info.len = 4;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_INFO, info), 525);  // ETOOSMALL
  info.len = sizeof(out);
  ASSERT_EQ(Call(DRM_IOCTL_MSM_GEM_INFO, info), 0);
  EXPECT_EQ(info.len, 5u);
  EXPECT_STREQ(out, "depth");

  info.info = MSM_INFO_SET_METADATA;
  ASSERT_EQ(Call(DRM_IOCTL_MSM_GEM_INFO, info), 0);
  info.info = MSM_INFO_GET_METADATA;
  info.value = 0;
  ASSERT_EQ(Call(DRM_IOCTL_MSM_GEM_INFO, info), 0);
  EXPECT_EQ(info.len, 5u);
  info.info = MSM_INFO_SET_METADATA;
  info.len = 129;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_INFO, info), EOVERFLOW);
}

TEST_F(RenderNodeTest, BuffersGoFromFileToFile) {
  const uint32_t handle = NewObject();
  Map(handle)[3] = 9;
  drm_prime_handle prime = {
      .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR, .fd = -1};
  ASSERT_EQ(Call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), 0);
  EXPECT_EQ(lseek(prime.fd, 0, SEEK_END), 4096);
  uint32_t word = 0;
  EXPECT_EQ(pread(prime.fd, &word, 4, 12), 4);
  EXPECT_EQ(word, 9u);

  drm_prime_handle back = {.handle = 0, .flags = 0, .fd = prime.fd};
  ASSERT_EQ(Call(DRM_IOCTL_PRIME_FD_TO_HANDLE, back), 0);
  EXPECT_EQ(back.handle, handle);
  ASSERT_EQ(Call(Open(), DRM_IOCTL_PRIME_FD_TO_HANDLE, back), 0);
  EXPECT_EQ(back.handle, 1u);
  back.fd = node_;
  EXPECT_EQ(Call(DRM_IOCTL_PRIME_FD_TO_HANDLE, back), EINVAL);
  prime.flags = 1;
  EXPECT_EQ(Call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), EINVAL);
}

TEST_F(RenderNodeTest, MadviseKeepsEverything) {
  drm_msm_gem_madvise madvise = {
      .handle = NewObject(), .madv = MSM_MADV_DONTNEED, .retained = 0};
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_MADVISE, madvise), 0);
  EXPECT_EQ(madvise.retained, 1u);
  madvise.madv = 2;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_MADVISE, madvise), EINVAL);
  madvise = {.handle = 77, .madv = 0, .retained = 0};
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_MADVISE, madvise), ENOENT);
}

drm_msm_timespec In(std::chrono::nanoseconds time) {
  const auto at = (std::chrono::steady_clock::now() + time).time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at);
  return {.tv_sec = seconds.count(), .tv_nsec = (at - seconds).count()};
}

TEST_F(RenderNodeTest, WaitFenceWaits) {
  BusyGpu busy(*this);
  drm_msm_wait_fence wait{};
  wait.fence = busy.fence();
  EXPECT_EQ(Call(DRM_IOCTL_MSM_WAIT_FENCE, wait), ETIMEDOUT);
  wait.timeout = In(std::chrono::milliseconds(1));
  EXPECT_EQ(Call(DRM_IOCTL_MSM_WAIT_FENCE, wait), ETIMEDOUT);
  busy.Finish();
  wait.timeout = In(std::chrono::hours(1));
  EXPECT_EQ(Call(DRM_IOCTL_MSM_WAIT_FENCE, wait), 0);
  wait.fence += 1;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_WAIT_FENCE, wait), EINVAL);
  wait.queueid = 9;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_WAIT_FENCE, wait), ENOENT);
}

// msm_gem_cpu_prep: EBUSY without patience, ETIMEDOUT once it has run out.
TEST_F(RenderNodeTest, CpuPrepWaitsForTheObject) {
  BusyGpu busy(*this);
  drm_msm_gem_cpu_prep prep{};
  prep.handle = busy.handle();
  prep.op = MSM_PREP_READ | MSM_PREP_NOSYNC;
  prep.timeout = In(std::chrono::hours(1));
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_CPU_PREP, prep), EBUSY);
  prep.op = MSM_PREP_READ;
  prep.timeout = {};
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_CPU_PREP, prep), EBUSY);
  prep.timeout = In(std::chrono::milliseconds(1));
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_CPU_PREP, prep), ETIMEDOUT);
  busy.Finish();
  prep.timeout = In(std::chrono::hours(1));
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_CPU_PREP, prep), 0);
  drm_msm_gem_cpu_fini fini = {.handle = busy.handle()};
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_CPU_FINI, fini), 0);
  fini.handle = 77;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_GEM_CPU_FINI, fini), ENOENT);
}

TEST_F(RenderNodeTest, SubmitqueuesComeAndGo) {
  drm_msm_submitqueue queue = {.flags = 0, .prio = 2, .id = 0};
  ASSERT_EQ(Call(DRM_IOCTL_MSM_SUBMITQUEUE_NEW, queue), 0);
  uint64_t faults = 0;
  drm_msm_submitqueue_query query = {
      .data = reinterpret_cast<uintptr_t>(&faults),
      .id = queue.id,
      .param = MSM_SUBMITQUEUE_PARAM_FAULTS,
      .len = sizeof(faults),
      .pad = 0};
  EXPECT_EQ(Call(DRM_IOCTL_MSM_SUBMITQUEUE_QUERY, query), 0);
  drm_msm_submitqueue_id id = {.id = queue.id};
  EXPECT_EQ(Call(DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, id), 0);
  EXPECT_EQ(Call(DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, id), ENOENT);
  EXPECT_EQ(Call(DRM_IOCTL_MSM_SUBMITQUEUE_QUERY, query), ENOENT);
  queue.prio = 3;
  EXPECT_EQ(Call(DRM_IOCTL_MSM_SUBMITQUEUE_NEW, queue), EINVAL);
}

}  // namespace
}  // namespace nacre::preload
