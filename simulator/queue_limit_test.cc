// What submissions that wait for the GPU take of the host.

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/testing/holdings.h"
#include "gtest/gtest.h"
#include "simulator/simulated_device.h"
#include "simulator/test_client.h"

namespace nacre::simulator {
namespace {

using msm::drm_msm_gem_submit_bo;
using msm::drm_msm_gem_submit_cmd;

class QueueLimitTest : public testing::Test {
 protected:
  static constexpr uint32_t kMany = 100000;

  // Keeps the GPU busy until Release.
  void Block() {
    flag_ = busy_.NewBuffer();
    blocked_ = busy_.Submit(Stream().Command(
        Opcode::kWaitMemGte, {0, Low(flag_.iova), High(flag_.iova), 1}));
  }
  // And until all is done.
  void Release() {
    __atomic_store_n(flag_.dwords().data(), 1, __ATOMIC_RELEASE);
    for (;;) {
      const SimulatorStats stats = device_->stats();
      if (stats.submissions_retired == stats.submissions) break;
      std::this_thread::yield();
    }
  }
  // An unfenced submission that writes the buffers, with as many commands.
  int Submit(Client& client, const std::vector<uint32_t>& handles = {},
             size_t commands = 0) {
    std::vector<drm_msm_gem_submit_bo> bos;
    for (const uint32_t handle : handles) {
      bos.push_back(
          {.flags = msm::MSM_SUBMIT_BO_WRITE, .handle = handle, .presumed = 0});
    }
    const std::vector<drm_msm_gem_submit_cmd> cmds(
        commands, {.type = msm::MSM_SUBMIT_CMD_BUF,
                   .submit_idx = 0,
                   .submit_offset = 0,
                   .size = 4,
                   .pad = 0,
                   .nr_relocs = 0,
                   .relocs = 0});
    return ErrnoOf(client.file().GemSubmit({.flags = msm::MSM_PIPE_3D0,
                                            .queue_id = 0,
                                            .fence = ++fence_,
                                            .bos = bos,
                                            .cmds = cmds,
                                            .fence_out = false}));
  }
  // How many are taken until ENOMEM.
  uint32_t Fill(Client& client, const std::vector<uint32_t>& handles = {},
                size_t commands = 0) {
    uint32_t taken = 0;
    int error = 0;
    while (taken < kMany && (error = Submit(client, handles, commands)) == 0) {
      ++taken;
    }
    EXPECT_EQ(error, ENOMEM);
    return taken;
  }

  std::unique_ptr<SimulatedDevice> device_ =
      SimulatedDevice::Create({.hang_timeout = std::chrono::seconds(20),
                               .queue_limit = uint64_t{1} << 20})
          .value();
  Client busy_{*device_};
  ClientBuffer flag_;
  Fd blocked_;
  uint32_t fence_ = 1000;
};

TEST_F(QueueLimitTest, IsThatOfAllFilesTogether) {
  Client one(*device_);
  Client two(*device_);
  Block();
  EXPECT_GT(Fill(one), 100u);
  EXPECT_EQ(Submit(two), ENOMEM);
  Release();
  EXPECT_EQ(Submit(two), 0);
}

TEST_F(QueueLimitTest, IsBackAfterAFileThatIsClosed) {
  auto one = std::make_unique<Client>(*device_);
  Client two(*device_);
  Block();
  Fill(*one);
  one.reset();
  EXPECT_EQ(Submit(two), ENOMEM) << "its work still waits";
  Release();
  EXPECT_EQ(Submit(two), 0);
}

TEST_F(QueueLimitTest, ASubmissionCountsByItsCommands) {
  Client client(*device_);
  const ClientBuffer buffer = client.NewBuffer();
  buffer.Write(Stream().Command(Opcode::kNop, {}));
  Block();
  EXPECT_LT(Fill(client, {buffer.handle}, /*commands=*/4096), 16u);
}

// What others do with its buffers is to be remembered with each submission.
TEST_F(QueueLimitTest, ASubmissionCountsByItsDependencies) {
  constexpr int kOthers = 64;
  Client client(*device_);
  const ClientBuffer alone = client.NewBuffer();
  const ClientBuffer shared = client.NewBuffer();
  const Fd dmabuf = client.file().GemExport(shared.handle).value();
  Block();
  std::vector<std::unique_ptr<Client>> others;
  for (int i = 0; i < kOthers; ++i) {
    others.push_back(std::make_unique<Client>(*device_));
    const uint32_t handle =
        others.back()->file().GemImport(dmabuf.get()).value();
    const drm_msm_gem_submit_bo read = {
        .flags = msm::MSM_SUBMIT_BO_READ, .handle = handle, .presumed = 0};
    ASSERT_TRUE(others.back()
                    ->file()
                    .GemSubmit({.flags = msm::MSM_PIPE_3D0,
                                .queue_id = 0,
                                .fence = 1,
                                .bos = {&read, 1},
                                .cmds = {},
                                .fence_out = false})
                    .ok());
  }
  const uint32_t with_dependencies = Fill(client, {shared.handle});
  Release();
  Block();
  EXPECT_LT(with_dependencies, Fill(client, {alone.handle}) / 3);
  Release();
}

TEST_F(QueueLimitTest, ARefusedOneLeavesNothing) {
  Client client(*device_);
  const ClientBuffer buffer = client.NewBuffer();
  Block();
  Fill(client);
  const uint32_t last = fence_;
  EXPECT_EQ(Submit(client, {buffer.handle}), ENOMEM);
  EXPECT_TRUE(
      client.file().GemCpuPrep(buffer.handle, msm::MSM_PREP_WRITE).ok());
  // Its number is free, and the last one still is the one before.
  EXPECT_EQ(ErrnoOf(client.file().WaitFence(0, last + 1, 0)), EINVAL);
  Release();
  fence_ = last;
  EXPECT_EQ(Submit(client, {buffer.handle}), 0);
}

// Neither does one with a number that is in flight.
TEST_F(QueueLimitTest, AWrongNumberLeavesNothing) {
  Client client(*device_);
  const ClientBuffer buffer = client.NewBuffer();
  Block();
  ASSERT_EQ(Submit(client), 0);
  for (uint32_t i = 0; i < kMany / 10; ++i) {
    --fence_;
    ASSERT_EQ(Submit(client, {buffer.handle}), EINVAL);
  }
  EXPECT_TRUE(
      client.file().GemCpuPrep(buffer.handle, msm::MSM_PREP_WRITE).ok());
  EXPECT_EQ(Submit(client), 0);
}

TEST_F(QueueLimitTest, NobodysFencesHoldNoDescriptors) {
  Client client(*device_);
  Block();
  const Holdings before = Holdings::Now({});
  EXPECT_GT(Fill(client), 100u);
  EXPECT_EQ(Holdings::Now({}), before);
}

}  // namespace
}  // namespace nacre::simulator
