#include "nacre/jailed_gpu.h"

#include <seccomp.h>
#include <signal.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor_room.h"
#include "base/page_size.h"
#include "devices/virtio/testing/fake_driver.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nacre/gpu_process.h"

namespace nacre {
namespace {

using testing::HasSubstr;
using virtio_gpu::Request;
using virtio_gpu::wire::Type;

constexpr uint64_t kPage = kLargestPageSize;
constexpr uint32_t kContext = 1;
constexpr uint32_t kShmem = 1;
constexpr uint32_t kBuffer = 2;

Gpu Config(const std::string& device = "sim:a660") {
  Gpu config;
  config.set_device(device);
  config.set_window_mib(16);
  config.set_jail("best-effort");
  return config;
}

// As Ubuntu 24.04 and some containers do: namespaces can be made, but what is
// needed to use them is refused, here with EPERM.
void Refuse(int system_call) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  ASSERT_EQ(
      seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), system_call, /*args=*/0),
      0);
  ASSERT_EQ(seccomp_load(filter), 0);
  seccomp_release(filter);
}

TEST(JailedGpuNamespacesDeathTest, BestEffortGoesOnWithoutMounts) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        Refuse(SCMP_SYS(mount));
        const auto gpu = JailedGpu::Create(Config());
        if (!gpu.ok()) LOG(ERROR) << gpu.status();
        std::exit(gpu.ok() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "this system gives no namespaces");
}

TEST(JailedGpuNamespacesDeathTest, RequiredDoesNot) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        Refuse(SCMP_SYS(mount));
        Gpu config = Config();
        config.set_jail("required");
        const auto gpu = JailedGpu::Create(config);
        LOG(ERROR) << gpu.status();
        std::exit(gpu.ok() ? 0 : 1);
      },
      testing::ExitedWithCode(1), "mount|clone");
}

Type Call(virtio::FakeDriver& driver, const Request& request) {
  const std::vector<uint8_t> answer =
      driver.Call(0, request.bytes(), sizeof(virtio_gpu::wire::CtrlHeader) + 8);
  return static_cast<Type>(
      ByteReader(answer).ReadZeroExtended<virtio_gpu::wire::CtrlHeader>().type);
}

// A guest's driver of a GPU whose process is this program, started again.
class JailedGpuTest : public testing::Test {
 protected:
  JailedGpuTest() {
    absl::StatusOr<std::unique_ptr<JailedGpu>> gpu =
        JailedGpu::Create(Config());
    EXPECT_TRUE(gpu.ok()) << gpu.status();
    gpu_ = *std::move(gpu);
    driver_ = std::make_unique<virtio::FakeDriver>(&gpu_->device());
    EXPECT_TRUE(driver_->Start().ok());
  }

  Type Call(const Request& request) { return nacre::Call(*driver_, request); }

  // A context with its control memory and a buffer, both mapped.
  void CreateContext() {
    EXPECT_EQ(Call(virtio_gpu::CreateContextRequest(
                  kContext, msm::VIRTIO_GPU_CAPSET_DRM)),
              Type::kOkNodata);
    EXPECT_EQ(Call(virtio_gpu::HostBlobRequest(kContext, kShmem, kPage, 0)),
              Type::kOkNodata);
    msm::CcmdStream stream;
    stream.Add(msm::MSM_CCMD_GEM_NEW,
               {0, 1, static_cast<uint32_t>(kPage), 0, msm::MSM_BO_WC, 7});
    EXPECT_EQ(Call(virtio_gpu::SubmitRequest(kContext, stream.bytes())),
              Type::kOkNodata);
    EXPECT_EQ(Call(virtio_gpu::HostBlobRequest(kContext, kBuffer, kPage, 7)),
              Type::kOkNodata);
    EXPECT_EQ(Call(virtio_gpu::MapRequest(kShmem, 0)), Type::kOkMapInfo);
    EXPECT_EQ(Call(virtio_gpu::MapRequest(kBuffer, kPage)), Type::kOkMapInfo);
  }

  uint8_t* window() {
    return gpu_->device().shared_memory_regions()[0].host.data();
  }

  std::unique_ptr<JailedGpu> gpu_;
  std::unique_ptr<virtio::FakeDriver> driver_;
};

TEST_F(JailedGpuTest, AnswersAndShowsItsBuffers) {
  CreateContext();
  // Control memory: the seqno of the last request.
  uint32_t seqno = 0;
  std::memcpy(&seqno, window(), sizeof(seqno));
  EXPECT_NE(seqno, 0u);
  window()[kPage] = 55;
  EXPECT_EQ(
      Call(virtio_gpu::ResourceRequest(Type::kResourceUnmapBlob, kBuffer)),
      Type::kOkNodata);
  EXPECT_EQ(window()[kPage], 0);
  EXPECT_EQ(Call(virtio_gpu::MapRequest(kBuffer, 2 * kPage)), Type::kOkMapInfo);
  EXPECT_EQ(window()[2 * kPage], 55);
  const GpuSummary summary = gpu_->Summary();
  EXPECT_EQ(summary.contexts_now(), 1u);
  EXPECT_EQ(summary.mapped_bytes_now(), 2 * kPage);
  EXPECT_FALSE(summary.has_failure());
  EXPECT_GT(gpu_->MemoryBytes(), 0u);
}

TEST_F(JailedGpuTest, ResetEmptiesTheWindow) {
  CreateContext();
  window()[kPage] = 55;
  driver_->Reset();
  EXPECT_EQ(window()[kPage], 0);
  window()[kPage] = 55;
  driver_->Reset();
  EXPECT_EQ(window()[kPage], 0);
  ASSERT_TRUE(driver_->Start().ok());
  CreateContext();
  EXPECT_EQ(gpu_->Summary().contexts_created(), 2u);
}

TEST_F(JailedGpuTest, OverlappingMappingsAreTheGuestsError) {
  CreateContext();
  EXPECT_EQ(
      Call(virtio_gpu::ResourceRequest(Type::kResourceUnmapBlob, kBuffer)),
      Type::kOkNodata);
  EXPECT_EQ(Call(virtio_gpu::MapRequest(kBuffer, 0)),
            Type::kErrInvalidParameter);
}

// The guest is told, keeps its CPUs and its window, and cannot start again.
TEST_F(JailedGpuTest, AProcessThatIsKilledLeavesTheGuest) {
  CreateContext();
  gpu_->process().Kill();
  driver_->WaitNeedsReset();
  driver_->Reset();
  EXPECT_EQ(window()[kPage], 0);
  // Which no next boot finds there.
  window()[kPage] = 55;
  driver_->Reset();
  EXPECT_EQ(window()[kPage], 0);
  EXPECT_FALSE(driver_->Start().ok());
  EXPECT_THAT(gpu_->Summary().failure(), HasSubstr("signal 9 (Killed)"));
}

TEST_F(JailedGpuTest, TheProcessGoesWithIt) {
  const pid_t pid = gpu_->process().pid();
  driver_.reset();
  gpu_.reset();
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

// Here for what the process maps, there for the rest.
TEST(JailedGpuLimitsTest, AreKeptOnBothSides) {
  Gpu config = Config();
  config.mutable_limits()->set_contexts(2);
  config.mutable_limits()->set_resources(3);
  config.mutable_limits()->set_mapped_blobs(1);
  const auto gpu = *JailedGpu::Create(config);
  virtio::FakeDriver driver(&gpu->device());
  ASSERT_TRUE(driver.Start().ok());
  const auto call = [&driver](const Request& request) {
    return Call(driver, request);
  };
  const auto create_context = [&call](uint32_t id) {
    return call(
        virtio_gpu::CreateContextRequest(id, msm::VIRTIO_GPU_CAPSET_DRM));
  };
  EXPECT_EQ(create_context(1), Type::kOkNodata);
  EXPECT_EQ(create_context(2), Type::kOkNodata);
  EXPECT_EQ(create_context(3), Type::kErrOutOfMemory);
  // Control memory of each.
  const auto create_blob = [&call](uint32_t id) {
    return call(virtio_gpu::HostBlobRequest(id, id, kPage, 0));
  };
  EXPECT_EQ(create_blob(1), Type::kOkNodata);
  EXPECT_EQ(create_blob(2), Type::kOkNodata);
  EXPECT_EQ(call(virtio_gpu::MapRequest(1, 0)), Type::kOkMapInfo);
  EXPECT_EQ(call(virtio_gpu::MapRequest(2, kPage)), Type::kErrOutOfMemory);
  EXPECT_EQ(call(virtio_gpu::ResourceRequest(Type::kResourceUnmapBlob, 1)),
            Type::kOkNodata);
  EXPECT_EQ(call(virtio_gpu::MapRequest(2, kPage)), Type::kOkMapInfo);
}

// The simulated GPU has limits of its own, which are met by nobody before.
TEST(JailedGpuLimitsTest, TheSimulatedGpuHasRoomForAllBuffers) {
  constexpr uint32_t kGiB = 1 << 30;
  Gpu config = Config();
  config.mutable_limits()->set_buffers_mib(10 << 10);
  config.mutable_limits()->set_context_buffers_mib(10 << 10);
  const auto gpu = *JailedGpu::Create(config);
  virtio::FakeDriver driver(&gpu->device());
  ASSERT_TRUE(driver.Start().ok());
  ASSERT_EQ(Call(driver, virtio_gpu::CreateContextRequest(
                             kContext, msm::VIRTIO_GPU_CAPSET_DRM)),
            Type::kOkNodata);
  // Nobody touches them, so that they take no memory.
  for (uint32_t id = 1; id <= 11; ++id) {
    msm::CcmdStream stream;
    stream.Add(msm::MSM_CCMD_GEM_NEW, {0, 0, kGiB, 0, msm::MSM_BO_WC, id});
    EXPECT_EQ(Call(driver, virtio_gpu::SubmitRequest(kContext, stream.bytes())),
              id <= 10 ? Type::kOkNodata : Type::kErrOutOfMemory)
        << "GiB " << id;
  }
}

TEST(JailedGpuCreateTest, ErrorsAreThoseOfTheDevice) {
  EXPECT_THAT(
      std::string(JailedGpu::Create(Config("sim:a999")).status().message()),
      HasSubstr("a660"));
  const absl::Status missing =
      JailedGpu::Create(Config("/nowhere/renderD128")).status();
  EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
  // It is opened here, and looked at there.
  EXPECT_THAT(
      std::string(JailedGpu::Create(Config("/dev/null")).status().message()),
      HasSubstr("not a DRM node"));
}

}  // namespace
}  // namespace nacre

int main(int argc, char** argv) {
  if (argc == 2) {
    if (const auto options = nacre::ParseGpuProcessArgument(argv[1])) {
      nacre::RunGpuProcess(*options);
    }
  }
  // As nacre: what others of this user have under way in sockets counts, too.
  nacre::MakeRoomForDescriptors();
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
