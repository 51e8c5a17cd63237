#include "tools/preload/msm/node_fixture.h"

#include <sys/mman.h>

#include "glog/logging.h"

namespace nacre::preload {

volatile uint32_t* NodeTest::Map(uint32_t handle, size_t size) {
  const absl::StatusOr<void*> mapping =
      fds_.Find(node_)->Map({.length = size,
                             .protection = PROT_READ | PROT_WRITE,
                             .flags = MAP_SHARED,
                             .offset = Info(handle, msm::MSM_INFO_GET_OFFSET)});
  CHECK(mapping.ok()) << mapping.status();
  return static_cast<volatile uint32_t*>(*mapping);
}

NodeTest::BusyGpu::BusyGpu(NodeTest& test)
    : handle_(test.NewObject()), gate_(test.Map(handle_)) {
  const uint64_t iova = test.Info(handle_, msm::MSM_INFO_GET_IOVA);
  // Dword 0 is the gate, from dword 16 on are the commands: wait until it is 1.
  const uint32_t commands[] = {
      simulator::EncodeCommand(simulator::Opcode::kWaitRegMem, 6),
      0x13,
      static_cast<uint32_t>(iova),
      static_cast<uint32_t>(iova >> 32),
      1,
      ~0u,
      0};
  for (size_t i = 0; i < std::size(commands); ++i) gate_[16 + i] = commands[i];
  const msm::drm_msm_gem_submit_bo bo = {
      .flags = msm::MSM_SUBMIT_BO_READ | msm::MSM_SUBMIT_BO_WRITE,
      .handle = handle_,
      .presumed = 0};
  const msm::drm_msm_gem_submit_cmd command = {.type = msm::MSM_SUBMIT_CMD_BUF,
                                               .submit_idx = 0,
                                               .submit_offset = 64,
                                               .size = sizeof(commands),
                                               .pad = 0,
                                               .nr_relocs = 0,
                                               .relocs = 0};
  msm::drm_msm_gem_submit submit = EmptySubmit();
  submit.nr_bos = 1;
  submit.nr_cmds = 1;
  submit.bos = reinterpret_cast<uintptr_t>(&bo);
  submit.cmds = reinterpret_cast<uintptr_t>(&command);
  CHECK_EQ(test.Call(msm::DRM_IOCTL_MSM_GEM_SUBMIT, submit), 0);
  fence_ = submit.fence;
}

}  // namespace nacre::preload
