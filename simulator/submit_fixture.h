#ifndef NACRE_SIMULATOR_SUBMIT_FIXTURE_H_
#define NACRE_SIMULATOR_SUBMIT_FIXTURE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "simulator/simulated_device.h"
#include "simulator/test_client.h"

namespace nacre::simulator {

// For tests of GEM_SUBMIT and what follows from it: a client with a request
// that is valid until a test changes it.
class SubmitFixture : public testing::Test {
 protected:
  SubmitFixture() : client_(*device_) {
    target_ = client_.NewBuffer();
    bos_ = {{.flags = msm::MSM_SUBMIT_BO_READ | msm::MSM_SUBMIT_BO_WRITE,
             .handle = target_.handle,
             .presumed = 0}};
    target_.Write(Stream().Command(Opcode::kNop, {}));
    cmds_ = {{.type = msm::MSM_SUBMIT_CMD_BUF,
              .submit_idx = 0,
              .submit_offset = 0,
              .size = 4,
              .pad = 0,
              .nr_relocs = 0,
              .relocs = 0}};
  }

  msm::DrmFile& file() { return client_.file(); }
  // Submits what the members say.
  absl::StatusOr<Fd> Submit() {
    return file().GemSubmit({.flags = flags_,
                             .queue_id = queue_,
                             .fence = fence_,
                             .bos = bos_,
                             .cmds = cmds_});
  }
  // Keeps the GPU busy until Release.
  Fd Block(Client& client) {
    blocker_ = client.NewBuffer();
    return client.Submit(Stream().Command(
        Opcode::kWaitMemGte, {0, Low(blocker_.iova), High(blocker_.iova), 1}));
  }
  void Release() {
    __atomic_store_n(blocker_.dwords().data(), 1, __ATOMIC_RELEASE);
  }

  std::unique_ptr<SimulatedDevice> device_ =
      SimulatedDevice::Create({.hang_timeout = std::chrono::seconds(20)})
          .value();
  Client client_;
  ClientBuffer target_;
  ClientBuffer blocker_;
  uint32_t flags_ = msm::MSM_PIPE_3D0;
  uint32_t queue_ = 0;
  uint32_t fence_ = 1000;
  std::vector<msm::drm_msm_gem_submit_bo> bos_;
  std::vector<msm::drm_msm_gem_submit_cmd> cmds_;
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_SUBMIT_FIXTURE_H_
