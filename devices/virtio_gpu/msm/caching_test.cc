#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "gtest/gtest.h"

// What RESOURCE_MAP_BLOB tells guests of caches, and what GEM_NEW makes of the
// MSM_BO_* caching flags (abi.md C.5, E.6).

namespace nacre::msm {
namespace {

using virtio_gpu::MapCaching;

class CachingTest : public ContextTestBase {
 protected:
  MapCaching CachingOf(Guest& guest, uint32_t resource_id) {
    return guest.blob(resource_id).GetMemory()->caching;
  }
  MapCaching CachingFor(Guest& guest, uint32_t flags) {
    const uint32_t buffer = *guest.NewBuffer(kPage, kIova, flags);
    const MapCaching caching = CachingOf(guest, buffer);
    guest.CloseBuffer(buffer);
    return caching;
  }
};

TEST_F(CachingTest, GuestsMapBuffersAsTheDriverDoes) {
  EXPECT_EQ(CachingFor(*guest_, MSM_BO_WC), MapCaching::kWriteCombined);
  EXPECT_EQ(CachingFor(*guest_, MSM_BO_WC | MSM_BO_SCANOUT),
            MapCaching::kWriteCombined);
  EXPECT_EQ(CachingFor(*guest_, MSM_BO_CACHED), MapCaching::kCached);
  EXPECT_EQ(CachingFor(*guest_, MSM_BO_CACHED_COHERENT), MapCaching::kCached);
  EXPECT_EQ(CachingFor(*guest_, MSM_BO_CACHED_COHERENT | MSM_BO_GPU_READONLY),
            MapCaching::kCached);
}

TEST_F(CachingTest, ASimulatedGpuHasEverythingCached) {
  device_.set_always_cached();
  EXPECT_EQ(CachingFor(*guest_, MSM_BO_WC), MapCaching::kCached);
  EXPECT_EQ(CachingFor(*guest_, MSM_BO_CACHED), MapCaching::kCached);
  EXPECT_EQ(CachingFor(*guest_, MSM_BO_CACHED_COHERENT), MapCaching::kCached);
}

// This process writes it through a cached mapping, whatever the GPU does.
TEST_F(CachingTest, ControlMemoryIsCached) {
  EXPECT_EQ(CachingOf(*guest_, Guest::kShmemResource), MapCaching::kCached);
}

// A blob that another context imported is still mapped by its maker's flags.
TEST_F(CachingTest, SharingChangesNothing) {
  const uint32_t buffer =
      *guest_->NewBuffer(kPage, kIova, MSM_BO_CACHED, /*shareable=*/true);
  Guest other(*type_);
  ASSERT_TRUE(
      other.context().AttachResource(buffer, guest_->blob(buffer)).ok());
  EXPECT_EQ(CachingOf(*guest_, buffer), MapCaching::kCached);
  other.context().DetachResource(buffer);
}

// Exactly one of three, as the kernel has it (msm_gem_new_impl).
TEST_F(CachingTest, TheDriverJudgesTheFlags) {
  uint32_t errors = 0;
  for (const uint32_t flags :
       {uint32_t{0}, MSM_BO_UNCACHED, MSM_BO_WC | MSM_BO_CACHED,
        MSM_BO_CACHED | MSM_BO_CACHED_COHERENT, MSM_BO_CACHE_MASK}) {
    guest_->batch().Add(MSM_CCMD_GEM_NEW,
                        {Low(kIova), High(kIova), kPage, 0, flags, 7});
    EXPECT_FALSE(guest_->Flush().ok()) << flags;
    EXPECT_EQ(guest_->async_error(), ++errors) << flags;
  }
}

TEST_F(CachingTest, AnIncoherentGpuRefusesCoherentBuffers) {
  device_.set_cached_coherent(false);
  guest_->batch().Add(MSM_CCMD_GEM_NEW, {Low(kIova), High(kIova), kPage, 0,
                                         MSM_BO_CACHED_COHERENT, 7});
  EXPECT_FALSE(guest_->Flush().ok());
  EXPECT_EQ(CachingFor(*guest_, MSM_BO_CACHED), MapCaching::kCached);
}

constexpr MsmConfig kAlwaysCached = {.guests_always_cached = true};

class AlwaysCachedTest : public CachingTest {
 protected:
  AlwaysCachedTest() {
    guest_.reset();
    type_ = *MsmContextType::Create(device_, kAlwaysCached);
    guest_.emplace(*type_);
  }

  // What the driver was asked for.
  uint32_t MadeWith(uint32_t flags) {
    const uint32_t buffer = *guest_->NewBuffer(kPage, kIova, flags);
    const uint32_t made = device_.flags(1);
    guest_->CloseBuffer(buffer);
    return made;
  }
};

TEST_F(AlwaysCachedTest, NoBufferIsWriteCombined) {
  for (const uint32_t caching :
       {MSM_BO_WC, MSM_BO_CACHED, MSM_BO_CACHED_COHERENT}) {
    EXPECT_EQ(CachingFor(*guest_, caching), MapCaching::kCached) << caching;
  }
}

TEST_F(AlwaysCachedTest, TheGpuLooksIntoCachesForWriteCombinedBuffers) {
  EXPECT_EQ(MadeWith(MSM_BO_WC), MSM_BO_CACHED_COHERENT);
  EXPECT_EQ(MadeWith(MSM_BO_WC | MSM_BO_SCANOUT | MSM_BO_GPU_READONLY),
            MSM_BO_CACHED_COHERENT | MSM_BO_SCANOUT | MSM_BO_GPU_READONLY);
  // For this one Mesa cleans caches itself, in any mapping.
  EXPECT_EQ(MadeWith(MSM_BO_CACHED), MSM_BO_CACHED);
  EXPECT_EQ(MadeWith(MSM_BO_CACHED_COHERENT), MSM_BO_CACHED_COHERENT);
}

TEST_F(AlwaysCachedTest, ASimulatedGpuNeedsNoOtherFlags) {
  device_.set_always_cached();
  device_.set_cached_coherent(false);
  guest_.reset();
  type_ = *MsmContextType::Create(device_, kAlwaysCached);
  guest_.emplace(*type_);
  EXPECT_EQ(MadeWith(MSM_BO_WC), MSM_BO_WC);
}

TEST(AlwaysCachedTypeTest, AnIncoherentGpuIsNoneForSuchGuests) {
  FakeDrmDevice device;
  device.set_cached_coherent(false);
  EXPECT_TRUE(MsmContextType::Create(device).ok());
  EXPECT_EQ(MsmContextType::Create(device, kAlwaysCached).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace nacre::msm
