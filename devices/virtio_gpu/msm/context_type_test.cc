#include "devices/virtio_gpu/msm/context_type.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "devices/virtio_gpu/msm/limits.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

using testing::HasSubstr;
using testing::Not;

template <typename T>
T CapsetField(const MsmContextType& type, size_t offset) {
  T value;
  std::memcpy(&value, type.capset().data() + offset, sizeof(value));
  return value;
}

TEST(MsmContextTypeTest, IsCapset6) {
  FakeDrmDevice device;
  const auto type = *MsmContextType::Create(device);
  EXPECT_EQ(type->capset_id(), 6u);
  EXPECT_EQ(type->capset_version(), 0u);
  EXPECT_EQ(type->capset().size(), 160u);
}

// By offset, as a guest reads it.
TEST(MsmContextTypeTest, CapsetDescribesTheGpu) {
  FakeDrmDevice device;
  device.set_version({1, 13, 2});
  device.SetParam(MSM_PARAM_UCHE_TRAP_BASE, 0x1fffffffff000);
  device.SetParam(MSM_PARAM_MACROTILE_MODE, 1);
  const auto type = *MsmContextType::Create(device);
  EXPECT_EQ(CapsetField<uint32_t>(*type, 0), 2u);
  EXPECT_EQ(CapsetField<uint32_t>(*type, 4), 1u);
  EXPECT_EQ(CapsetField<uint32_t>(*type, 8), 13u);
  EXPECT_EQ(CapsetField<uint32_t>(*type, 12), 2u);
  EXPECT_EQ(CapsetField<uint32_t>(*type, 16), 1u);
  EXPECT_EQ(CapsetField<uint32_t>(*type, 24), 1u);
  EXPECT_EQ(CapsetField<uint32_t>(*type, 28), 3u);
  EXPECT_EQ(CapsetField<uint64_t>(*type, 32), FakeDrmDevice::kVaStart);
  EXPECT_EQ(CapsetField<uint64_t>(*type, 40), FakeDrmDevice::kVaSize);
  EXPECT_EQ(CapsetField<uint32_t>(*type, 48), 630u);
  EXPECT_EQ(CapsetField<uint32_t>(*type, 52), 0x100000u);
  EXPECT_EQ(CapsetField<uint64_t>(*type, 56), 0x100000u);
  EXPECT_EQ(CapsetField<uint64_t>(*type, 64), 0x06030001u);
  EXPECT_EQ(CapsetField<uint32_t>(*type, 72), 710000000u);
  EXPECT_EQ(CapsetField<uint32_t>(*type, 76), 15u);
  EXPECT_EQ(CapsetField<uint64_t>(*type, 80), 6u);
  EXPECT_EQ(CapsetField<uint64_t>(*type, 88), 1u);
  EXPECT_EQ(CapsetField<uint32_t>(*type, 96), 0xffffffffu);
  EXPECT_EQ(CapsetField<uint32_t>(*type, 100), 0xffffffffu);
  EXPECT_EQ(CapsetField<uint64_t>(*type, 104), 0x1fffffffff000u);
}

TEST(MsmContextTypeTest, WithoutCachedCoherentTheCapsetSaysSo) {
  FakeDrmDevice device;
  device.set_cached_coherent(false);
  EXPECT_EQ((*MsmContextType::Create(device))->gpu().has_cached_coherent, 0u);
}

TEST(MsmContextTypeTest, ParametersOfNewerDriversMayBeMissing) {
  FakeDrmDevice device;
  for (const uint32_t param :
       {MSM_PARAM_HIGHEST_BANK_BIT, MSM_PARAM_RAYTRACING,
        MSM_PARAM_UBWC_SWIZZLE, MSM_PARAM_MACROTILE_MODE, MSM_PARAM_GPU_ID}) {
    device.SetParam(param, std::nullopt);
  }
  const auto type = MsmContextType::Create(device);
  ASSERT_TRUE(type.ok()) << type.status();
  EXPECT_EQ((*type)->gpu().ubwc_swizzle, 0u);
  EXPECT_EQ((*type)->gpu().chip_id, 0x06030001u);
}

TEST(MsmContextTypeTest, ProbingLeavesNothingOpen) {
  FakeDrmDevice device;
  const auto type = *MsmContextType::Create(device);
  EXPECT_EQ(device.files(), 0u);
  EXPECT_EQ(device.objects(), 0u);
}

std::string Refusal(FakeDrmDevice& device) {
  const auto type = MsmContextType::Create(device);
  EXPECT_EQ(type.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(type.status().message()), Not(HasSubstr("\n")));
  EXPECT_EQ(device.files(), 0u);
  return absl::StrCat(type.status().message());
}

TEST(MsmContextTypeTest, RefusesAnOldDriver) {
  FakeDrmDevice device;
  device.set_version({1, 8, 0});
  EXPECT_THAT(Refusal(device),
              testing::AllOf(HasSubstr("1.8"), HasSubstr("1.9 (Linux 6.1)")));
  device.set_version({2, 0, 0});
  EXPECT_THAT(Refusal(device), HasSubstr("2.0"));
}

TEST(MsmContextTypeTest, RefusesAGpuWithoutAddressSpaces) {
  FakeDrmDevice device;
  device.SetParam(MSM_PARAM_VA_SIZE, std::nullopt);
  EXPECT_THAT(Refusal(device), HasSubstr("VA_SIZE"));
  device.SetParam(MSM_PARAM_VA_SIZE, 0);
  EXPECT_THAT(Refusal(device), HasSubstr("per-process page tables"));
  device.SetParam(MSM_PARAM_VA_START, std::nullopt);
  EXPECT_THAT(Refusal(device), HasSubstr("VA_START"));
}

TEST(MsmContextTypeTest, RefusesADriverThatNamesNoGpu) {
  FakeDrmDevice device;
  device.SetParam(MSM_PARAM_GPU_ID, 0);
  device.SetParam(MSM_PARAM_CHIP_ID, 0);
  EXPECT_THAT(Refusal(device), HasSubstr("names no GPU"));
}

TEST(MsmContextTypeTest, PassesOnThatTheNodeCannotBeOpened) {
  FakeDrmDevice device;
  device.FailOnce(DrmCall::kOpen, EACCES);
  EXPECT_EQ(MsmContextType::Create(device).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(MsmContextTypeTest, EachContextIsAFileOfItsOwn) {
  FakeDrmDevice device;
  const auto type = *MsmContextType::Create(device);
  auto first = type->CreateContext(1, "a");
  auto second = type->CreateContext(2, "b");
  EXPECT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(device.files(), 2u);
  EXPECT_EQ(type->counters().contexts.value(), 2u);
  first->reset();
  EXPECT_EQ(device.files(), 1u);
  EXPECT_EQ(type->counters().contexts.value(), 1u);
  EXPECT_EQ(type->counters().contexts.peak(), 2u);
  device.FailOnce(DrmCall::kOpen, EMFILE);
  EXPECT_FALSE(type->CreateContext(3, "c").ok());
  EXPECT_EQ(type->counters().contexts.value(), 1u);
}

// The driver falls back to one address space for all, its own buffers' too.
TEST(MsmContextTypeTest, NoContextSharesAnAddressSpace) {
  FakeDrmDevice device;
  const auto type = *MsmContextType::Create(device);
  device.SetParam(MSM_PARAM_VA_START, std::nullopt);
  EXPECT_EQ(type->CreateContext(1, "a").status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(device.files(), 0u);
}

TEST(MsmContextTypeTest, ContextsAreCapped) {
  FakeDrmDevice device;
  const auto type = *MsmContextType::Create(device);
  std::vector<std::unique_ptr<virtio_gpu::Context>> contexts;
  for (uint64_t i = 0; i < Limits().max_files; ++i) {
    contexts.push_back(*type->CreateContext(i + 1, ""));
  }
  EXPECT_EQ(type->CreateContext(5000, "").status().code(),
            absl::StatusCode::kResourceExhausted);
  contexts.pop_back();
  EXPECT_TRUE(type->CreateContext(5000, "").ok());
}

}  // namespace
}  // namespace nacre::msm
