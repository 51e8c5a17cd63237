#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/errno_status.h"
#include "devices/virtio_gpu/msm/libdrm_device.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "gtest/gtest.h"
#include "simulator/simulated_device.h"
#include "simulator/test_client.h"

// DrmDevice's two implementations do the same: the simulator called directly,
// and ioctls of a render node. To be run with the preload, behind whose render
// node a simulator of the same chip is.

namespace nacre::preload {
namespace {

using msm::DrmDevice;
using msm::DrmFile;
using simulator::Client;
using simulator::ClientBuffer;
using simulator::Signalled;
using simulator::Stream;
using simulator::WaitFor;

std::unique_ptr<DrmDevice> NewSimulator() {
  return simulator::SimulatedDevice::Create({}).value();
}
std::unique_ptr<DrmDevice> NewRenderNode() {
  return msm::LibdrmDevice::Create("/dev/dri/renderD128").value();
}

// An answer, to be compared: its value or its errno.
std::string Text(const absl::Status& status) {
  return status.ok() ? "ok" : std::to_string(StatusErrno(status));
}
template <typename T>
std::string Text(const absl::StatusOr<T>& result) {
  return result.ok() ? "ok " + std::to_string(*result) : Text(result.status());
}
std::string Text(const absl::StatusOr<Fd>& result) {
  return Text(result.status());
}

// The answers of a file to what is asked of it, in order.
using Questions = std::function<std::vector<std::string>(DrmFile&)>;
void ExpectSame(const Questions& questions) {
  const auto simulator = NewSimulator(), render_node = NewRenderNode();
  EXPECT_EQ(questions(*render_node->Open().value()),
            questions(*simulator->Open().value()));
}

TEST(DrmDeviceAnswersTest, Version) {
  EXPECT_EQ(NewRenderNode()->version().minor, NewSimulator()->version().minor);
}

TEST(DrmDeviceAnswersTest, Params) {
  ExpectSame([](DrmFile& file) {
    std::vector<std::string> answers;
    for (uint32_t param = 0; param < 0x20; ++param) {
      if (param == msm::MSM_PARAM_TIMESTAMP) continue;
      answers.push_back(Text(file.GetParam(param)));
    }
    answers.push_back(Text(file.SetParamString(msm::MSM_PARAM_COMM, "test")));
    answers.push_back(Text(file.SetParamString(msm::MSM_PARAM_GPU_ID, "1")));
    answers.push_back(Text(file.SetParamString(msm::MSM_PARAM_CMDLINE,
                                               std::string(1 << 17, 'a'))));
    return answers;
  });
}

TEST(DrmDeviceAnswersTest, Objects) {
  ExpectSame([](DrmFile& file) {
    const uint64_t start = file.GetParam(msm::MSM_PARAM_VA_START).value();
    return std::vector<std::string>{
        Text(file.GemNew(1, msm::MSM_BO_WC)),
        Text(file.GemNew(0, msm::MSM_BO_WC)),
        Text(file.GemNew(4096, 0)),
        Text(file.GemNew(4096, msm::MSM_BO_UNCACHED)),
        Text(file.GemNew(uint64_t{1} << 50, msm::MSM_BO_WC)),
        Text(file.GemNew(70000, msm::MSM_BO_CACHED_COHERENT)),
        Text(file.GemGetSize(1)),
        Text(file.GemGetSize(2)),
        Text(file.GemGetSize(3)),
        Text(file.GemSetIova(1, start)),
        Text(file.GemSetIova(2, start)),
        Text(file.GemSetIova(1, start + 1)),
        Text(file.GemSetIova(9, start)),
        Text(file.GemSetName(1, "object")),
        Text(file.GemSetName(1, std::string(40, 'a'))),
        Text(file.GemCpuPrep(1, msm::MSM_PREP_READ)),
        Text(file.GemCpuPrep(1, 0x100)),
        Text(file.GemCpuPrep(9, msm::MSM_PREP_READ)),
        Text(file.GemGetMemory(9).status()),
        Text(file.GemExport(1)),
        Text(file.GemExport(9)),
        Text(file.GemImport(0x7ffffff)),
        Text(file.GemClose(1)),
        Text(file.GemClose(1)),
    };
  });
}

TEST(DrmDeviceAnswersTest, QueuesAndSubmissions) {
  ExpectSame([](DrmFile& file) {
    const uint32_t handle = file.GemNew(4096, msm::MSM_BO_WC).value();
    const auto submit = [&](uint32_t flags, uint32_t queue, uint32_t fence,
                            uint32_t bo, uint32_t size) {
      const msm::drm_msm_gem_submit_bo bos[] = {
          {.flags = msm::MSM_SUBMIT_BO_READ, .handle = bo, .presumed = 0}};
      const msm::drm_msm_gem_submit_cmd cmds[] = {
          {.type = msm::MSM_SUBMIT_CMD_BUF,
           .submit_idx = 0,
           .submit_offset = 0,
           .size = size,
           .pad = 0,
           .nr_relocs = 0,
           .relocs = 0}};
      return Text(file.GemSubmit({.flags = flags,
                                  .queue_id = queue,
                                  .fence = fence,
                                  .bos = bos,
                                  .cmds = cmds}));
    };
    constexpr uint32_t kPipe = msm::MSM_PIPE_3D0;
    uint8_t faults[8] = {};
    return std::vector<std::string>{
        Text(file.SubmitqueueNew(0, 0)),
        Text(file.SubmitqueueNew(0, 3)),
        Text(file.SubmitqueueNew(msm::MSM_SUBMITQUEUE_ALLOW_PREEMPT, 1)),
        Text(file.SubmitqueueQuery(1, 0, faults)),
        Text(file.SubmitqueueQuery(1, 1, faults)),
        Text(file.SubmitqueueQuery(5, 0, faults)),
        submit(kPipe, 1, 1, handle, 64),
        submit(kPipe, 5, 2, handle, 64),
        submit(0, 1, 2, handle, 64),
        submit(kPipe, 1, 0, handle, 64),
        submit(kPipe, 1, 2, 77, 64),
        submit(kPipe, 1, 2, handle, 8192),
        submit(kPipe, 1, 2, handle, 3),
        submit(kPipe | msm::MSM_SUBMIT_SUDO, 1, 2, handle, 64),
        Text(file.WaitFence(1, 99, 0)),
        Text(file.WaitFence(5, 1, 0)),
        Text(file.WaitFence(1, 1, 0x80)),
        Text(file.SubmitqueueClose(0)),
        Text(file.SubmitqueueClose(1)),
        Text(file.SubmitqueueClose(1)),
    };
  });
}

class DrmDeviceTest
    : public testing::TestWithParam<std::unique_ptr<DrmDevice> (*)()> {
 protected:
  const std::unique_ptr<DrmDevice> device_ = GetParam()();
};

// What the client's own work adds to. Faults of files that are gone count for
// every file: those of the tests before, which share the render node's GPU. It
// is done with them when it is done with something newer.
uint64_t FaultsSoFar(Client& client) {
  client.SubmitAndWait(Stream().Command(simulator::Opcode::kNop, {0}));
  return client.Faults();
}

INSTANTIATE_TEST_SUITE_P(Simulator, DrmDeviceTest,
                         testing::Values(&NewSimulator));
INSTANTIATE_TEST_SUITE_P(RenderNode, DrmDeviceTest,
                         testing::Values(&NewRenderNode));

TEST_P(DrmDeviceTest, WritesOfTheGpuAreSeenByTheCpu) {
  Client client(*device_);
  const uint64_t faults = FaultsSoFar(client);
  const ClientBuffer target = client.NewBuffer();
  client.SubmitAndWait(Stream().Store(target.iova + 8, 42));
  EXPECT_EQ(target.dwords()[2], 42u);
  EXPECT_TRUE(client.file().WaitFence(0, client.last_fence(), 0).ok());
  EXPECT_EQ(client.Faults(), faults);
}

TEST_P(DrmDeviceTest, BusyObjectsAndFencesSaySo) {
  Client client(*device_);
  const ClientBuffer gate = client.NewBuffer();
  const Fd fence = client.Submit(Stream().Command(
      simulator::Opcode::kWaitRegMem, {0x13, simulator::Low(gate.iova),
                                       simulator::High(gate.iova), 1, ~0u, 0}));
  EXPECT_EQ(
      StatusErrno(client.file().GemCpuPrep(gate.handle, msm::MSM_PREP_WRITE)),
      EBUSY);
  EXPECT_EQ(StatusErrno(client.file().WaitFence(0, client.last_fence(), 0)),
            ETIMEDOUT);
  EXPECT_FALSE(Signalled(fence));
  gate.dwords()[0] = 1;
  WaitFor(fence);
  EXPECT_TRUE(client.file().GemCpuPrep(gate.handle, msm::MSM_PREP_WRITE).ok());
  EXPECT_TRUE(client.file().WaitFence(0, client.last_fence(), 0).ok());
}

TEST_P(DrmDeviceTest, ObjectsAreSharedBetweenFiles) {
  Client from(*device_), to(*device_);
  const ClientBuffer buffer = from.NewBuffer(8192);
  const Fd dmabuf = from.file().GemExport(buffer.handle).value();
  EXPECT_EQ(from.file().GemImport(dmabuf.get()).value(), buffer.handle);
  const ClientBuffer same = to.Import(dmabuf);
  EXPECT_EQ(same.mapping.size(), 8192u);
  to.SubmitAndWait(Stream().Store(same.iova, 7));
  EXPECT_EQ(buffer.dwords()[0], 7u);
  from.Exit();
  to.SubmitAndWait(Stream().Store(same.iova, 8));
  EXPECT_EQ(buffer.dwords()[0], 8u);
}

TEST_P(DrmDeviceTest, AHangIsCountedAndItsFenceSignals) {
  Client client(*device_);
  const uint64_t faults = FaultsSoFar(client);
  WaitFor(client.Submit(Stream().Raw({0xffffffff})));
  EXPECT_EQ(client.Faults(), faults + 1);
  client.SubmitAndWait(Stream().Command(simulator::Opcode::kNop, {0}));
  EXPECT_EQ(client.Faults(), faults + 1);
}

}  // namespace
}  // namespace nacre::preload
