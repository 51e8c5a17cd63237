#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xf86drm.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "devices/virtio_gpu/msm/uapi.h"
#include "gtest/gtest.h"

// The interposed functions, by a program that knows nothing of them and by
// libdrm, as Mesa's loaders use it. Linked with them, or preloaded.

namespace nacre::preload {
namespace {

constexpr char kNode[] = "/dev/dri/renderD128";

class LibdrmTest : public testing::Test {
 protected:
  ~LibdrmTest() override { close(fd_); }

  static bool IsMsm(int fd) {
    drmVersion* const version = drmGetVersion(fd);
    const bool msm = version != nullptr && std::string(version->name) == "msm";
    drmFreeVersion(version);
    return msm;
  }
  uint32_t NewObject() {
    msm::drm_msm_gem_new argument = {
        .size = 4096, .flags = msm::MSM_BO_WC, .handle = 0};
    EXPECT_EQ(drmIoctl(fd_, msm::DRM_IOCTL_MSM_GEM_NEW, &argument), 0);
    return argument.handle;
  }

  const int fd_ = open(kNode, O_RDWR | O_CLOEXEC);
};

TEST_F(LibdrmTest, EnumeratesOnePlatformDevice) {
  drmDevicePtr devices[4];
  ASSERT_EQ(drmGetDevices2(0, devices, 4), 1);
  const drmDevice& device = *devices[0];
  EXPECT_EQ(device.bustype, DRM_BUS_PLATFORM);
  EXPECT_EQ(device.available_nodes, 1 << DRM_NODE_RENDER);
  EXPECT_STREQ(device.nodes[DRM_NODE_RENDER], kNode);
  EXPECT_STREQ(device.businfo.platform->fullname, "/soc@0/gpu@3d00000");
  ASSERT_NE(device.deviceinfo.platform->compatible[0], nullptr);
  EXPECT_STREQ(device.deviceinfo.platform->compatible[0], "qcom,adreno");
  drmFreeDevices(devices, 1);
}

TEST_F(LibdrmTest, KnowsTheNodeByItsDescriptor) {
  EXPECT_TRUE(IsMsm(fd_));
  EXPECT_EQ(drmGetNodeTypeFromFd(fd_), DRM_NODE_RENDER);
  char* const name = drmGetRenderDeviceNameFromFd(fd_);
  EXPECT_STREQ(name, kNode);
  free(name);
  char* const name2 = drmGetDeviceNameFromFd2(fd_);
  EXPECT_STREQ(name2, kNode);
  free(name2);
  drmDevicePtr device = nullptr;
  ASSERT_EQ(drmGetDevice2(fd_, 0, &device), 0);
  EXPECT_STREQ(device->nodes[DRM_NODE_RENDER], kNode);
  drmFreeDevice(&device);
  uint64_t syncobj = 0;
  EXPECT_EQ(drmGetCap(fd_, DRM_CAP_SYNCOBJ, &syncobj), 0);
  EXPECT_EQ(syncobj, 1u);
}

TEST_F(LibdrmTest, TheNodeIsACharacterDevice) {
  struct stat by_path = {}, by_fd = {}, by_link = {};
  ASSERT_EQ(stat(kNode, &by_path), 0);
  ASSERT_EQ(fstat(fd_, &by_fd), 0);
  ASSERT_EQ(lstat("/sys/dev/char/226:128", &by_link), 0);
  EXPECT_TRUE(S_ISCHR(by_path.st_mode));
  EXPECT_EQ(by_path.st_rdev, makedev(226, 128));
  EXPECT_EQ(by_fd.st_rdev, by_path.st_rdev);
  EXPECT_TRUE(S_ISLNK(by_link.st_mode));
  EXPECT_EQ(access(kNode, R_OK | W_OK), 0);
  EXPECT_EQ(access("/dev/dri/card0", F_OK), -1);
  EXPECT_EQ(errno, ENOENT);
  struct statx extended = {};
  ASSERT_EQ(statx(AT_FDCWD, kNode, 0, STATX_TYPE, &extended), 0);
  EXPECT_EQ(extended.stx_rdev_minor, 128u);
}

TEST_F(LibdrmTest, SysfsIsReadInManyWays) {
  char resolved[PATH_MAX];
  ASSERT_NE(realpath("/sys/dev/char/226:128/device", resolved), nullptr);
  DIR* const directory = opendir(resolved);
  ASSERT_NE(directory, nullptr);
  std::vector<std::string> names;
  while (const dirent* const entry = readdir(directory)) {
    names.push_back(entry->d_name);
  }
  EXPECT_EQ(closedir(directory), 0);
  EXPECT_EQ(names, (std::vector<std::string>{".", "..", "uevent", "subsystem",
                                             "drm"}));
  char text[64] = {};
  const int fd = open("/sys/dev/char/226:128/dev", O_RDONLY);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(read(fd, text, sizeof(text)), 8);
  EXPECT_STREQ(text, "226:128\n");
  close(fd);
  EXPECT_EQ(open("/sys/dev/char/226:128/none", O_RDONLY), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(open("/dev/dri/new", O_RDWR | O_CREAT, 0600), -1);
  EXPECT_EQ(errno, EACCES);
}

TEST_F(LibdrmTest, DuplicatesAreTheSameFile) {
  const uint32_t handle = NewObject();
  const int copies[] = {dup(fd_), fcntl(fd_, F_DUPFD_CLOEXEC, 100),
                        dup2(fd_, 200), dup3(fd_, 201, O_CLOEXEC)};
  EXPECT_GE(copies[1], 100);
  for (const int copy : copies) {
    msm::drm_msm_gem_info info = {.handle = handle,
                                  .info = msm::MSM_INFO_GET_FLAGS,
                                  .value = 0,
                                  .len = 0,
                                  .pad = 0};
    EXPECT_EQ(drmIoctl(copy, msm::DRM_IOCTL_MSM_GEM_INFO, &info), 0);
    EXPECT_EQ(close(copy), 0);
    EXPECT_FALSE(IsMsm(copy));
  }
  EXPECT_TRUE(IsMsm(fd_));
  // A second opening is another file.
  const int other = open(kNode, O_RDWR | O_CLOEXEC);
  drm_gem_close argument = {.handle = handle, .pad = 0};
  EXPECT_EQ(drmIoctl(other, DRM_IOCTL_GEM_CLOSE, &argument), -1);
  EXPECT_EQ(errno, EINVAL);
  // A descriptor that is replaced is no longer ours.
  EXPECT_EQ(dup2(STDERR_FILENO, other), other);
  EXPECT_FALSE(IsMsm(other));
  close(other);
}

TEST_F(LibdrmTest, ObjectsAreMapped) {
  msm::drm_msm_gem_info info = {.handle = NewObject(),
                                .info = msm::MSM_INFO_GET_OFFSET,
                                .value = 0,
                                .len = 0,
                                .pad = 0};
  ASSERT_EQ(drmIoctl(fd_, msm::DRM_IOCTL_MSM_GEM_INFO, &info), 0);
  const off_t offset = static_cast<off_t>(info.value);
  void* const first =
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, offset);
  void* const second =
      mmap64(nullptr, 4096, PROT_READ, MAP_SHARED, fd_, offset);
  ASSERT_NE(first, MAP_FAILED);
  ASSERT_NE(second, MAP_FAILED);
  std::memcpy(first, "nacre", 6);
  EXPECT_STREQ(static_cast<const char*>(second), "nacre");
  EXPECT_EQ(munmap(first, 4096), 0);
  EXPECT_EQ(munmap(second, 4096), 0);
  EXPECT_EQ(mmap(nullptr, 8192, PROT_READ, MAP_SHARED, fd_, offset),
            MAP_FAILED);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(LibdrmTest, AFenceCannotBeRead) {
  uint32_t syncobj = 0;
  ASSERT_EQ(drmSyncobjCreate(fd_, DRM_SYNCOBJ_CREATE_SIGNALED, &syncobj), 0);
  int fence = -1;
  ASSERT_EQ(drmSyncobjExportSyncFile(fd_, syncobj, &fence), 0);
  uint64_t count;
  EXPECT_EQ(read(fence, &count, sizeof(count)), -1);
  EXPECT_EQ(errno, EINVAL);
  close(fence);
  EXPECT_EQ(drmSyncobjDestroy(fd_, syncobj), 0);
}

// A child of fork(2) has the descriptors, but not the GPU behind them; it gets
// one of its own by opening the node.
TEST_F(LibdrmTest, AChildOfForkStartsAnew) {
  const uint32_t handle = NewObject();
  const pid_t child = fork();
  if (child == 0) {
    const bool inherited = IsMsm(fd_);
    const int own = open(kNode, O_RDWR | O_CLOEXEC);
    close(fd_);
    _exit(!inherited && IsMsm(own) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  drm_gem_close argument = {.handle = handle, .pad = 0};
  EXPECT_EQ(drmIoctl(fd_, DRM_IOCTL_GEM_CLOSE, &argument), 0);
}

// What a child of vfork(2) closes stays open here.
TEST_F(LibdrmTest, AChildOfVforkLeavesTheTableAlone) {
  // NOLINTBEGIN(clang-analyzer-*): others do what is not to be done.
  const pid_t child = vfork();
  if (child == 0) {
    close(fd_);
    _exit(0);
  }
  // NOLINTEND(clang-analyzer-*)
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(IsMsm(fd_));
}

TEST_F(LibdrmTest, ThreadsOpenAndCloseTogether) {
  std::thread threads[4];
  for (std::thread& thread : threads) {
    thread = std::thread([] {
      for (int j = 0; j < 100; ++j) {
        const int fd = open(kNode, O_RDWR | O_CLOEXEC);
        EXPECT_TRUE(IsMsm(fd));
        EXPECT_EQ(close(fd), 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace nacre::preload
