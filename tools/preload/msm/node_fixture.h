#ifndef NACRE_TOOLS_PRELOAD_MSM_NODE_FIXTURE_H_
#define NACRE_TOOLS_PRELOAD_MSM_NODE_FIXTURE_H_

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

#include "base/errno_status.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "gtest/gtest.h"
#include "simulator/pm4.h"
#include "tools/preload/fd_table.h"
#include "tools/preload/msm/msm_gpu.h"
#include "tools/preload/msm/msm_node.h"
#include "tools/preload/msm/native_uapi.h"

namespace nacre::preload {

// A program that has the render node open, and calls it past the interposed
// functions. The numbers of its descriptors are real.
class NodeTest : public testing::Test {
 protected:
  ~NodeTest() override {
    // As the program's end would.
    for (int fd = 0; fd < 1024; ++fd) {
      if (fds_.Remove(fd) != nullptr) close(fd);
    }
  }

  int Open() { return gpu_->OpenRenderNode(/*close_on_exec=*/true).value(); }

  // The errno, 0 for success.
  template <typename Argument>
  int Call(int fd, uint32_t request, Argument& argument) {
    return StatusErrno(fds_.Find(fd)->Ioctl(request, &argument));
  }
  template <typename Argument>
  int Call(uint32_t request, Argument& argument) {
    return Call(node_, request, argument);
  }

  uint32_t NewObject(uint64_t size = 4096, uint32_t flags = msm::MSM_BO_WC) {
    msm::drm_msm_gem_new argument = {.size = size, .flags = flags, .handle = 0};
    EXPECT_EQ(Call(msm::DRM_IOCTL_MSM_GEM_NEW, argument), 0);
    return argument.handle;
  }
  uint64_t Info(uint32_t handle, uint32_t info) {
    msm::drm_msm_gem_info argument = {
        .handle = handle, .info = info, .value = 0, .len = 0, .pad = 0};
    EXPECT_EQ(Call(msm::DRM_IOCTL_MSM_GEM_INFO, argument), 0);
    return argument.value;
  }
  // Where the program sees the object.
  volatile uint32_t* Map(uint32_t handle, size_t size = 4096);

  // A submission that only fences, of any flags and syncobjs.
  static msm::drm_msm_gem_submit EmptySubmit(uint32_t flags = 0) {
    msm::drm_msm_gem_submit submit{};
    submit.flags = msm::MSM_PIPE_3D0 | flags;
    submit.fence_fd = -1;
    submit.syncobj_stride = sizeof(drm_msm_gem_submit_syncobj);
    return submit;
  }

  // Keeps the GPU busy until it ends, at the latest.
  class BusyGpu {
   public:
    explicit BusyGpu(NodeTest& test);
    ~BusyGpu() { Finish(); }
    void Finish() { *gate_ = 1; }
    uint32_t fence() const { return fence_; }
    uint32_t handle() const { return handle_; }

   private:
    uint32_t handle_;
    volatile uint32_t* gate_;
    uint32_t fence_ = 0;
  };

  static bool Readable(int fd, int milliseconds = 0) {
    pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&entry, 1, milliseconds) == 1;
  }
  static constexpr int kLong = 30'000;  // Milliseconds; nothing takes so long.

  FdTable fds_;
  std::unique_ptr<Gpu> gpu_ = NewGpu(fds_);
  const int node_ = Open();

 private:
  static std::unique_ptr<Gpu> NewGpu(FdTable& fds) {
    simulator::SimulatorConfig config;
    // Work hangs when a test says so alone.
    config.hang_timeout = std::chrono::minutes(1);
    return MsmGpu::Create(config, fds).value();
  }
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_MSM_NODE_FIXTURE_H_
