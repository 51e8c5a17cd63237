#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xf86drm.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tools/preload/virtgpu/virtgpu_uapi.h"

// The guest's render node by a program that knows nothing of it and by libdrm,
// as Mesa's loaders and its virtio backend use it. Linked with the interposed
// functions, or preloaded.

namespace nacre::preload {
namespace {

constexpr char kNode[] = "/dev/dri/renderD128";
constexpr uint32_t kCapset = 6;
constexpr uint32_t kPolledRing = 1;
constexpr size_t kControlSize = 65536;
constexpr int kLong = 30'000;  // Milliseconds; nothing takes so long.

// A native context with its control memory, as Mesa begins.
class GuestLibdrmTest : public testing::Test {
 protected:
  GuestLibdrmTest() {
    const drm_virtgpu_context_set_param params[] = {
        {VIRTGPU_CONTEXT_PARAM_CAPSET_ID, kCapset},
        {VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 64},
        {VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK, uint64_t{1} << kPolledRing}};
    drm_virtgpu_context_init init = {
        .num_params = 3,
        .pad = 0,
        .ctx_set_params = reinterpret_cast<uintptr_t>(params)};
    EXPECT_EQ(drmIoctl(fd_, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init), 0);
    drm_virtgpu_resource_create_blob blob{};
    blob.blob_mem = VIRTGPU_BLOB_MEM_HOST3D;
    blob.blob_flags =
        VIRTGPU_BLOB_FLAG_USE_MAPPABLE | VIRTGPU_BLOB_FLAG_USE_SHAREABLE;
    blob.size = kControlSize;
    EXPECT_EQ(drmIoctl(fd_, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &blob), 0);
    handle_ = blob.bo_handle;
    drm_virtgpu_map map = {.offset = 0, .handle = handle_, .pad = 0};
    EXPECT_EQ(drmIoctl(fd_, DRM_IOCTL_VIRTGPU_MAP, &map), 0);
    control_ = static_cast<volatile uint32_t*>(
        mmap(nullptr, kControlSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_,
             static_cast<off_t>(map.offset)));
    EXPECT_NE(control_, MAP_FAILED);
  }
  ~GuestLibdrmTest() override {
    EXPECT_EQ(munmap(const_cast<uint32_t*>(control_), kControlSize), 0);
    EXPECT_EQ(close(fd_), 0);
  }

  // MSM_CCMD_NOP on a ring; returns the descriptor of its fence.
  int Nop(uint32_t ring, uint32_t seqno) {
    const uint32_t ccmd[] = {1, 16, seqno, 0};
    drm_virtgpu_execbuffer execbuffer{};
    execbuffer.flags = VIRTGPU_EXECBUF_RING_IDX | VIRTGPU_EXECBUF_FENCE_FD_OUT;
    execbuffer.ring_idx = ring;
    execbuffer.command = reinterpret_cast<uintptr_t>(ccmd);
    execbuffer.size = sizeof(ccmd);
    EXPECT_EQ(drmIoctl(fd_, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execbuffer), 0);
    return execbuffer.fence_fd;
  }
  static bool Readable(int fd, int milliseconds) {
    pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&entry, 1, milliseconds) == 1;
  }
  static std::set<std::string> OpenFds() {
    std::set<std::string> names;
    DIR* const folder = opendir("/proc/self/fd");
    while (const dirent* const entry = readdir(folder)) {
      names.insert(entry->d_name);
    }
    names.erase(std::to_string(dirfd(folder)));
    closedir(folder);
    return names;
  }

  const int fd_ = open(kNode, O_RDWR | O_CLOEXEC);
  uint32_t handle_ = 0;
  volatile uint32_t* control_ = nullptr;
};

TEST_F(GuestLibdrmTest, EnumeratesOnePciDevice) {
  drmDevicePtr devices[4];
  ASSERT_EQ(drmGetDevices2(DRM_DEVICE_GET_PCI_REVISION, devices, 4), 1);
  const drmDevice& device = *devices[0];
  EXPECT_EQ(device.bustype, DRM_BUS_PCI);
  EXPECT_EQ(device.available_nodes, 1 << DRM_NODE_RENDER);
  EXPECT_STREQ(device.nodes[DRM_NODE_RENDER], kNode);
  EXPECT_EQ(device.businfo.pci->dev, 3);
  EXPECT_EQ(device.deviceinfo.pci->vendor_id, 0x1af4);
  EXPECT_EQ(device.deviceinfo.pci->device_id, 0x1050);
  EXPECT_EQ(device.deviceinfo.pci->revision_id, 1);
  drmFreeDevices(devices, 1);
}

TEST_F(GuestLibdrmTest, TheDriverIsVirtioGpu) {
  drmVersion* const version = drmGetVersion(fd_);
  ASSERT_NE(version, nullptr);
  EXPECT_STREQ(version->name, "virtio_gpu");
  drmFreeVersion(version);
  EXPECT_EQ(drmGetNodeTypeFromFd(fd_), DRM_NODE_RENDER);
}

// Mesa's synchronous request: a fence on ring 0, then the number.
TEST_F(GuestLibdrmTest, TheHostAnswersInControlMemory) {
  const int fence = Nop(0, 7);
  ASSERT_TRUE(Readable(fence, kLong));
  EXPECT_EQ(control_[0], 7u);
  close(fence);
}

TEST_F(GuestLibdrmTest, EventsAreRead) {
  uint32_t events[4] = {};
  EXPECT_EQ(read(fd_, events, sizeof(events)), -1);
  EXPECT_EQ(errno, EAGAIN);
  close(Nop(kPolledRing, 1));
  ASSERT_TRUE(Readable(fd_, kLong));
  EXPECT_EQ(read(fd_, events, sizeof(events)),
            static_cast<ssize_t>(sizeof(drm_virtgpu_event)));
  EXPECT_EQ(events[0], VIRTGPU_EVENT_FENCE_SIGNALED);
}

TEST_F(GuestLibdrmTest, SyncobjsAreExportedAndImported) {
  uint32_t syncobj = 0;
  ASSERT_EQ(drmSyncobjCreate(fd_, 0, &syncobj), 0);
  const int fence = Nop(0, 1);
  ASSERT_EQ(drmSyncobjImportSyncFile(fd_, syncobj, fence), 0);
  EXPECT_EQ(drmSyncobjWait(fd_, &syncobj, 1, INT64_MAX, 0, nullptr), 0);
  int exported = -1;
  ASSERT_EQ(drmSyncobjExportSyncFile(fd_, syncobj, &exported), 0);
  EXPECT_TRUE(Readable(exported, kLong));
  close(exported);
  close(fence);
  EXPECT_EQ(drmSyncobjDestroy(fd_, syncobj), 0);
}

TEST_F(GuestLibdrmTest, DmaBufsAreSizedAndMapped) {
  int dma_buf = -1;
  ASSERT_EQ(drmPrimeHandleToFD(fd_, handle_, DRM_CLOEXEC | DRM_RDWR, &dma_buf),
            0);
  EXPECT_EQ(lseek(dma_buf, 0, SEEK_END), static_cast<off_t>(kControlSize));
  auto* const mapping = static_cast<volatile uint32_t*>(
      mmap(nullptr, kControlSize, PROT_READ, MAP_SHARED, dma_buf, 0));
  ASSERT_NE(mapping, MAP_FAILED);
  control_[100] = 5;
  EXPECT_EQ(mapping[100], 5u);
  munmap(const_cast<uint32_t*>(mapping), kControlSize);
  uint32_t handle = 0;
  EXPECT_EQ(drmPrimeFDToHandle(fd_, dma_buf, &handle), 0);
  EXPECT_EQ(handle, handle_);
  close(dma_buf);
}

// The device has many, in this process; the program has not.
TEST_F(GuestLibdrmTest, OnlyTheProgramsDescriptorsAreListed) {
  const std::set<std::string> before = OpenFds();
  const int fence = Nop(0, 1), file = open("/dev/null", O_RDONLY);
  const std::set<std::string> now = OpenFds();
  EXPECT_EQ(now.size(), before.size() + 2);
  EXPECT_TRUE(now.contains(std::to_string(fence)));
  EXPECT_TRUE(now.contains(std::to_string(file)));
  close(fence);
  close(file);
  EXPECT_EQ(OpenFds(), before);
}

TEST_F(GuestLibdrmTest, AChildHasAGuestOfItsOwn) {
  const pid_t child = fork();
  if (child == 0) {
    const int fd = open(kNode, O_RDWR);
    uint32_t caps[40] = {};
    drm_virtgpu_get_caps get_caps = {.cap_set_id = kCapset,
                                     .cap_set_ver = 0,
                                     .addr = reinterpret_cast<uintptr_t>(caps),
                                     .size = sizeof(caps),
                                     .pad = 0};
    const bool good =
        drmIoctl(fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &get_caps) == 0 &&
        caps[0] == 2 &&
        drmIoctl(fd_, DRM_IOCTL_VIRTGPU_GET_CAPS, &get_caps) < 0;
    _exit(good ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  // The parent's goes on.
  const int fence = Nop(0, 9);
  EXPECT_TRUE(Readable(fence, kLong));
  close(fence);
}

}  // namespace
}  // namespace nacre::preload
