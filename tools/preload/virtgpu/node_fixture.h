#ifndef NACRE_TOOLS_PRELOAD_VIRTGPU_NODE_FIXTURE_H_
#define NACRE_TOOLS_PRELOAD_VIRTGPU_NODE_FIXTURE_H_

#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/errno_status.h"
#include "gtest/gtest.h"
#include "tools/preload/fd_table.h"
#include "tools/preload/virtgpu/virtgpu_gpu.h"
#include "tools/preload/virtgpu/virtgpu_node.h"
#include "tools/preload/virtgpu/virtgpu_uapi.h"

namespace nacre::preload {

// A program in a guest that has the render node open with a native context, and
// calls it past the interposed functions. The numbers of its descriptors are
// real.
class VirtgpuNodeTest : public testing::Test {
 protected:
  // The default submitqueue's, and another.
  static constexpr uint32_t kGpuRing = 2;
  static constexpr uint32_t kCpuRing = 0;
  static constexpr uint32_t kCapset = 6;  // VIRTIO_GPU_CAPSET_DRM.

  ~VirtgpuNodeTest() override;

  int Open() { return gpu_->OpenRenderNode(/*close_on_exec=*/true).value(); }
  void Close(int fd);

  // The errno, 0 for success.
  template <typename Argument>
  int Call(int fd, uint32_t request, Argument& argument) {
    return StatusErrno(fds_.Find(fd)->Ioctl(request, &argument));
  }
  template <typename Argument>
  int Call(uint32_t request, Argument& argument) {
    return Call(node_, request, argument);
  }

  using ContextParams = std::vector<drm_virtgpu_context_set_param>;
  int InitContext(int fd, const ContextParams& params);
  // As Mesa's.
  static ContextParams NativeContext() {
    return {{VIRTGPU_CONTEXT_PARAM_CAPSET_ID, kCapset},
            {VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 64}};
  }

  // A buffer of the GPU's, at an address of its own.
  struct Buffer {
    uint32_t handle = 0;
    uint32_t resource = 0;
    uint64_t iova = 0;
  };
  Buffer NewBuffer(uint64_t size = 4096,
                   uint32_t blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE);
  // What mmap of `length` bytes at the buffer's offset answers.
  absl::StatusOr<void*> TryMap(uint32_t handle, size_t length);
  volatile uint32_t* Map(uint32_t handle, size_t length = 4096);
  int CloseHandle(uint32_t handle, int fd = -1);

  // An EXECBUFFER whose command the GPU takes, and does nothing.
  drm_virtgpu_execbuffer Nop(uint32_t ring, uint32_t flags = 0);
  // One that is the first dwords of the buffer, as the GPU's commands.
  drm_virtgpu_execbuffer Submission(const Buffer& buffer, uint32_t offset,
                                    uint32_t dwords);
  int Execute(drm_virtgpu_execbuffer& execbuffer) {
    return Call(DRM_IOCTL_VIRTGPU_EXECBUFFER, execbuffer);
  }
  // EXECBUFFER that must succeed, for its fence's descriptor.
  int ExecuteForFence(drm_virtgpu_execbuffer execbuffer);

  uint32_t NewSyncobj();
  // Whether the GPU's work in the syncobj is done.
  bool Done(uint32_t syncobj);

  // Keeps the GPU's ring busy until it ends, at the latest.
  class BusyGpu {
   public:
    explicit BusyGpu(VirtgpuNodeTest& test, uint32_t out_syncobj = 0);
    ~BusyGpu() { Finish(); }
    void Finish() { *gate_ = 1; }
    const Buffer& buffer() const { return buffer_; }
    int fence() const { return fence_; }

   private:
    Buffer buffer_;
    volatile uint32_t* gate_;
    int fence_;
  };

  static bool Readable(int fd, int milliseconds = 0) {
    pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&entry, 1, milliseconds) == 1;
  }
  static constexpr int kLong = 30'000;  // Milliseconds; nothing takes so long.

  VirtgpuGpu& gpu() { return static_cast<VirtgpuGpu&>(*gpu_); }

  FdTable fds_;
  std::unique_ptr<Gpu> gpu_ = NewGpu(fds_);
  const int node_ = Open();

 private:
  static std::unique_ptr<Gpu> NewGpu(FdTable& fds);

  uint32_t next_blob_ = 2;
  uint64_t next_iova_ = uint64_t{1} << 32;
  uint32_t next_fence_ = 1;
  // The commands of EXECBUFFERs, which the program's memory has.
  std::vector<std::vector<uint8_t>> commands_;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_VIRTGPU_NODE_FIXTURE_H_
