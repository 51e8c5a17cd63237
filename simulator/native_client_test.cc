#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "base/errno_status.h"
#include "gtest/gtest.h"
#include "simulator/simulated_device.h"
#include "simulator/test_client.h"

// What SimulatedFile answers beyond DrmFile, to whoever presents it to a native
// client.

namespace nacre::simulator {
namespace {

// A submission that only fences.
msm::SubmitRequest Empty(uint32_t queue = 0) {
  msm::SubmitRequest request;
  request.flags = msm::MSM_PIPE_3D0;
  request.queue_id = queue;
  return request;
}

class NativeClientTest : public testing::Test {
 protected:
  std::unique_ptr<SimulatedDevice> device_ =
      SimulatedDevice::Create({.chip = "a660"}).value();
  std::unique_ptr<SimulatedFile> file_ = device_->OpenFile();
};

TEST_F(NativeClientTest, GetIovaKeepsToItsFirstAnswer) {
  const uint32_t handle = file_->GemNew(4096, msm::MSM_BO_WC).value();
  const uint64_t iova = file_->GemGetIova(handle).value();
  EXPECT_EQ(iova, file_->GetParam(msm::MSM_PARAM_VA_START).value());
  EXPECT_EQ(file_->GemGetIova(handle).value(), iova);
  EXPECT_EQ(StatusErrno(file_->GemGetIova(handle + 1).status()), ENOENT);
}

TEST_F(NativeClientTest, GetFlagsAnswersThoseOfTheAllocation) {
  const uint32_t flags = msm::MSM_BO_WC | msm::MSM_BO_GPU_READONLY;
  const uint32_t handle = file_->GemNew(4096, flags).value();
  EXPECT_EQ(file_->GemGetFlags(handle).value(), flags);
}

TEST_F(NativeClientTest, NamesEndAtWhatCannotBePrinted) {
  const uint32_t handle = file_->GemNew(4096, msm::MSM_BO_WC).value();
  EXPECT_EQ(file_->GemGetName(handle).value(), "");
  ASSERT_TRUE(file_->GemSetName(handle, "color\nbuffer").ok());
  EXPECT_EQ(file_->GemGetName(handle).value(), "color");
}

TEST_F(NativeClientTest, MetadataIsTheObjectsInEveryFile) {
  const uint32_t handle = file_->GemNew(4096, msm::MSM_BO_WC).value();
  ASSERT_TRUE(file_->GemSetMetadata(handle, {1, 2, 3}).ok());
  const Fd dmabuf = file_->GemExport(handle).value();
  const auto other = device_->OpenFile();
  const uint32_t imported = other->GemImport(dmabuf.get()).value();
  EXPECT_EQ(other->GemGetMetadata(imported).value(),
            (std::vector<uint8_t>{1, 2, 3}));
  EXPECT_EQ(
      StatusErrno(file_->GemSetMetadata(handle, std::vector<uint8_t>(129))),
      EOVERFLOW);
}

TEST_F(NativeClientTest, FenceNumbersAreChosenUnlessGiven) {
  EXPECT_EQ(file_->Submit(Empty(), {}).value().fence_number, 1u);
  EXPECT_EQ(file_->Submit(Empty(), {}).value().fence_number, 2u);
  msm::SubmitRequest given = Empty();
  given.flags |= msm::MSM_SUBMIT_FENCE_SN_IN;
  given.fence = 77;
  EXPECT_EQ(file_->Submit(given, {}).value().fence_number, 77u);
}

TEST_F(NativeClientTest, ASubmissionRunsAfterItsDependencies) {
  // The GPU is kept busy, until both are queued.
  Client client(*device_);
  const ClientBuffer gate = client.NewBuffer();
  const Fd busy = client.Submit(Stream().Command(
      Opcode::kWaitRegMem, {0x13, Low(gate.iova), High(gate.iova), 1, ~0u, 0}));
  // The first is of the lower priority.
  const auto other = device_->OpenFile();
  const uint32_t low = other->SubmitqueueNew(0, 2).value();
  const uint32_t high = file_->SubmitqueueNew(0, 0).value();
  const std::shared_ptr<Fence> first =
      other->Submit(Empty(low), {}).value().fence;
  const std::shared_ptr<Fence> second =
      file_->Submit(Empty(high), {first}).value().fence;
  gate.dwords()[0] = 1;
  while (!second->signalled()) continue;
  EXPECT_TRUE(first->signalled());
}

TEST_F(NativeClientTest, RetirementIsReportedOnceTheFenceHasSignalled) {
  std::atomic<int> retired = 0;
  const auto device = SimulatedDevice::Create({.on_retired = [&retired] {
                        ++retired;
                      }}).value();
  const auto file = device->OpenFile();
  const auto submitted = file->Submit(Empty(), {}).value();
  while (retired == 0) continue;
  EXPECT_TRUE(submitted.fence->signalled());
}

}  // namespace
}  // namespace nacre::simulator
