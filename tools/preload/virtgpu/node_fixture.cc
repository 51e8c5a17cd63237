#include "tools/preload/virtgpu/node_fixture.h"

#include <libdrm/drm.h>
#include <sys/mman.h>

#include <cstring>
#include <utility>

#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "devices/virtio_gpu/msm/wire.h"
#include "glog/logging.h"
#include "simulator/pm4.h"

namespace nacre::preload {

using msm::High;
using msm::Low;

std::unique_ptr<Gpu> VirtgpuNodeTest::NewGpu(FdTable& fds) {
  simulator::SimulatorConfig config;
  // Work hangs when a test says so alone.
  config.hang_timeout = std::chrono::minutes(1);
  return VirtgpuGpu::Create(config, fds).value();
}

VirtgpuNodeTest::~VirtgpuNodeTest() {
  // As the program's end would.
  for (int fd = 0; fd < 1024; ++fd) Close(fd);
}

void VirtgpuNodeTest::Close(int fd) {
  if (const FdTable::File file = fds_.Remove(fd); file != nullptr) close(fd);
}

int VirtgpuNodeTest::InitContext(int fd, const ContextParams& params) {
  drm_virtgpu_context_init init = {
      .num_params = static_cast<uint32_t>(params.size()),
      .pad = 0,
      .ctx_set_params = reinterpret_cast<uintptr_t>(params.data())};
  return Call(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, init);
}

VirtgpuNodeTest::Buffer VirtgpuNodeTest::NewBuffer(uint64_t size,
                                                   uint32_t blob_flags) {
  Buffer buffer;
  buffer.iova = std::exchange(next_iova_, next_iova_ + (uint64_t{1} << 20));
  msm::CcmdStream stream;
  stream.Add(msm::MSM_CCMD_GEM_NEW,
             {Low(buffer.iova), High(buffer.iova), Low(size), High(size),
              msm::MSM_BO_WC, next_blob_});
  drm_virtgpu_resource_create_blob blob{};
  blob.blob_mem = VIRTGPU_BLOB_MEM_HOST3D;
  blob.blob_flags = blob_flags;
  blob.size = size;
  blob.cmd = reinterpret_cast<uintptr_t>(stream.bytes().data());
  blob.cmd_size = static_cast<uint32_t>(stream.bytes().size());
  blob.blob_id = next_blob_++;
  EXPECT_EQ(Call(DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, blob), 0);
  buffer.handle = blob.bo_handle;
  buffer.resource = blob.res_handle;
  return buffer;
}

absl::StatusOr<void*> VirtgpuNodeTest::TryMap(uint32_t handle, size_t length) {
  drm_virtgpu_map map = {.offset = 0, .handle = handle, .pad = 0};
  EXPECT_EQ(Call(DRM_IOCTL_VIRTGPU_MAP, map), 0);
  return fds_.Find(node_)->Map({.length = length,
                                .protection = PROT_READ | PROT_WRITE,
                                .flags = MAP_SHARED,
                                .offset = map.offset});
}

volatile uint32_t* VirtgpuNodeTest::Map(uint32_t handle, size_t length) {
  const absl::StatusOr<void*> mapping = TryMap(handle, length);
  CHECK(mapping.ok()) << mapping.status();
  return static_cast<volatile uint32_t*>(*mapping);
}

int VirtgpuNodeTest::CloseHandle(uint32_t handle, int fd) {
  drm_gem_close gem_close = {.handle = handle, .pad = 0};
  return Call(fd >= 0 ? fd : node_, DRM_IOCTL_GEM_CLOSE, gem_close);
}

drm_virtgpu_execbuffer VirtgpuNodeTest::Nop(uint32_t ring, uint32_t flags) {
  msm::CcmdStream stream;
  stream.Add(msm::MSM_CCMD_NOP, {});
  commands_.push_back(stream.bytes());
  drm_virtgpu_execbuffer execbuffer{};
  execbuffer.flags = VIRTGPU_EXECBUF_RING_IDX | flags;
  execbuffer.ring_idx = ring;
  execbuffer.command = reinterpret_cast<uintptr_t>(commands_.back().data());
  execbuffer.size = static_cast<uint32_t>(commands_.back().size());
  execbuffer.syncobj_stride = sizeof(drm_virtgpu_execbuffer_syncobj);
  execbuffer.fence_fd = -1;
  return execbuffer;
}

drm_virtgpu_execbuffer VirtgpuNodeTest::Submission(const Buffer& buffer,
                                                   uint32_t offset,
                                                   uint32_t dwords) {
  const msm::drm_msm_gem_submit_bo bo = {
      .flags = msm::MSM_SUBMIT_BO_READ | msm::MSM_SUBMIT_BO_WRITE,
      .handle = buffer.resource,
      .presumed = 0};
  const msm::drm_msm_gem_submit_cmd command = {.type = msm::MSM_SUBMIT_CMD_BUF,
                                               .submit_idx = 0,
                                               .submit_offset = offset,
                                               .size = 4 * dwords,
                                               .pad = 0,
                                               .nr_relocs = 0,
                                               .relocs = 0};
  std::vector<uint8_t> arrays(sizeof(bo) + sizeof(command));
  std::memcpy(arrays.data(), &bo, sizeof(bo));
  std::memcpy(arrays.data() + sizeof(bo), &command, sizeof(command));
  msm::CcmdStream stream;
  stream.Add(msm::MSM_CCMD_GEM_SUBMIT,
             {msm::MSM_PIPE_3D0, /*queue=*/0, 1, 1, next_fence_++}, arrays);
  drm_virtgpu_execbuffer execbuffer = Nop(kGpuRing);
  commands_.push_back(stream.bytes());
  execbuffer.command = reinterpret_cast<uintptr_t>(commands_.back().data());
  execbuffer.size = static_cast<uint32_t>(commands_.back().size());
  return execbuffer;
}

int VirtgpuNodeTest::ExecuteForFence(drm_virtgpu_execbuffer execbuffer) {
  execbuffer.flags |= VIRTGPU_EXECBUF_FENCE_FD_OUT;
  CHECK_EQ(Execute(execbuffer), 0);
  return execbuffer.fence_fd;
}

uint32_t VirtgpuNodeTest::NewSyncobj() {
  drm_syncobj_create create = {.handle = 0, .flags = 0};
  CHECK_EQ(Call(DRM_IOCTL_SYNCOBJ_CREATE, create), 0);
  return create.handle;
}

bool VirtgpuNodeTest::Done(uint32_t syncobj) {
  drm_syncobj_wait wait{};
  wait.handles = reinterpret_cast<uintptr_t>(&syncobj);
  wait.count_handles = 1;
  return Call(DRM_IOCTL_SYNCOBJ_WAIT, wait) == 0;
}

VirtgpuNodeTest::BusyGpu::BusyGpu(VirtgpuNodeTest& test, uint32_t out_syncobj)
    : buffer_(test.NewBuffer()), gate_(test.Map(buffer_.handle)) {
  // Dword 0 is the gate, from dword 16 on are the commands: wait until it is 1.
  const uint32_t commands[] = {
      simulator::EncodeCommand(simulator::Opcode::kWaitRegMem, 6),
      0x13,
      Low(buffer_.iova),
      High(buffer_.iova),
      1,
      ~0u,
      0};
  for (size_t i = 0; i < std::size(commands); ++i) gate_[16 + i] = commands[i];
  drm_virtgpu_execbuffer execbuffer =
      test.Submission(buffer_, 64, std::size(commands));
  const drm_virtgpu_execbuffer_syncobj out = {
      .handle = out_syncobj, .flags = 0, .point = 0};
  const uint32_t handle = buffer_.handle;
  execbuffer.bo_handles = reinterpret_cast<uintptr_t>(&handle);
  execbuffer.num_bo_handles = 1;
  if (out_syncobj != 0) {
    execbuffer.num_out_syncobjs = 1;
    execbuffer.out_syncobjs = reinterpret_cast<uintptr_t>(&out);
  }
  fence_ = test.ExecuteForFence(execbuffer);
}

}  // namespace nacre::preload
