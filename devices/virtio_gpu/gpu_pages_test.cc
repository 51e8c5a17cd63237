#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/display/headless_sink.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

// The device on hosts with pages of 4, 16 and 64 KiB, with drivers that know
// BLOB_ALIGNMENT (virtio 1.4, 5.7.3) and with drivers that do not.
namespace nacre::virtio_gpu {
namespace {

using wire::Type;

enum class Driver { kKnowsAlignment, kDoesNot };

class GpuPagesTest : public testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override {
    if (page_ < HostPageSize()) GTEST_SKIP() << "this host's pages are larger";
  }
  VirtioGpu::Config Config() const {
    VirtioGpu::Config config = GpuDriver::DefaultConfig();
    config.page_size = page_;
    return config;
  }
  void Start(Driver driver) {
    virtio::FakeDriver::Options options;
    if (driver == Driver::kDoesNot) {
      options.features = ~wire::kFeatureBlobAlignment;
    }
    g_ = std::make_unique<GpuDriver>(Config(), options);
    g_->CreateContext(1);
  }

  Type CreateHostBlob(uint32_t id, uint64_t size) {
    return g_->Call(HostBlobRequest(1, id, size));
  }
  Type CreateGuestBlob(uint32_t id, uint32_t size) {
    const uint64_t address = g_->driver().ram().Allocate(size);
    wire::ResourceCreateBlob blob = {};
    blob.resource_id = id;
    blob.blob_mem = static_cast<uint32_t>(wire::BlobMem::kGuest);
    blob.nr_entries = 1;
    blob.size = size;
    return g_->Call(Request(Type::kResourceCreateBlob)
                        .With(blob)
                        .With(wire::MemEntry{address, size, 0}));
  }
  Type Map(uint32_t id, uint64_t offset) {
    return g_->Call(MapRequest(id, offset));
  }
  uint64_t misaligned() const { return g_->stats().misaligned_blobs.value(); }
  bool page_is_smallest() const { return page_ == kSmallestPageSize; }

  const uint64_t page_ = GetParam();
  std::unique_ptr<GpuDriver> g_;
};

INSTANTIATE_TEST_SUITE_P(HostPages, GpuPagesTest,
                         testing::ValuesIn(kPageSizes));

// 5.7.3: feature bit 5; 5.7.4: its field is the fifth.
TEST_P(GpuPagesTest, TheAlignmentIsOfferedAboveTheSmallestPage) {
  Start(Driver::kKnowsAlignment);
  EXPECT_EQ(g_->device().device_features() >> 5 & 1,
            page_is_smallest() ? 0u : 1u);
  uint32_t alignment = 0xeeeeeeee;
  g_->device().ReadConfig(16, AsWritableBytes(alignment));
  EXPECT_EQ(alignment, page_is_smallest() ? 0 : page_);
  uint32_t beyond = 0xeeeeeeee;
  g_->device().ReadConfig(20, AsWritableBytes(beyond));
  EXPECT_EQ(beyond, 0u);
}

// 5.7.3: BLOB_ALIGNMENT requires RESOURCE_BLOB.
TEST_P(GpuPagesTest, TheAlignmentNeedsBlobs) {
  Start(Driver::kKnowsAlignment);
  const VirtioGpu& device = g_->device();
  EXPECT_TRUE(device.AcceptsFeatures(device.device_features()));
  EXPECT_FALSE(device.AcceptsFeatures(wire::kFeatureBlobAlignment));
}

TEST_P(GpuPagesTest, BlobsOfTheHostAreWholePagesOfIt) {
  for (const Driver driver : {Driver::kKnowsAlignment, Driver::kDoesNot}) {
    Start(driver);
    EXPECT_EQ(CreateHostBlob(2, page_), Type::kOkNodata);
    EXPECT_EQ(CreateHostBlob(3, 3 * page_), Type::kOkNodata);
    EXPECT_EQ(misaligned(), 0u);
    if (page_is_smallest()) continue;
    EXPECT_EQ(CreateHostBlob(4, page_ / 2), Type::kErrInvalidParameter);
    EXPECT_EQ(CreateHostBlob(4, page_ + kSmallestPageSize),
              Type::kErrInvalidParameter);
    EXPECT_EQ(misaligned(), 2u);
    EXPECT_EQ(g_->gpu().live_blobs(), 2);
  }
}

// Dumb buffers and imports of a guest with smaller pages: nothing of the host
// is mapped for them.
TEST_P(GpuPagesTest, BlobsOfTheGuestAreWholePagesOfTheGuest) {
  Start(Driver::kDoesNot);
  EXPECT_EQ(CreateGuestBlob(2, kSmallestPageSize), Type::kOkNodata);
  EXPECT_EQ(CreateGuestBlob(3, 5 * kSmallestPageSize), Type::kOkNodata);
  EXPECT_EQ(misaligned(), 0u);
}

// RESOURCE_CREATE_BLOB: with the feature, `size` MUST be aligned.
TEST_P(GpuPagesTest, ADriverThatKnowsTheAlignmentKeepsToItAlways) {
  Start(Driver::kKnowsAlignment);
  EXPECT_EQ(CreateGuestBlob(2, page_), Type::kOkNodata);
  if (page_is_smallest()) return;
  EXPECT_EQ(CreateGuestBlob(3, page_ / 2), Type::kErrInvalidParameter);
  EXPECT_EQ(misaligned(), 1u);
}

// RESOURCE_MAP_BLOB: with the feature, `offset` MUST be aligned; without it,
// drm_mm of a guest with smaller pages hands out any multiple of those.
TEST_P(GpuPagesTest, BlobsAreMappedAtPagesOfTheHost) {
  for (const Driver driver : {Driver::kKnowsAlignment, Driver::kDoesNot}) {
    Start(driver);
    ASSERT_EQ(CreateHostBlob(2, page_), Type::kOkNodata);
    ASSERT_EQ(CreateHostBlob(3, page_), Type::kOkNodata);
    EXPECT_EQ(Map(2, 2 * page_), Type::kOkMapInfo);
    EXPECT_EQ(misaligned(), 0u);
    uint64_t refused = 0;
    for (uint64_t offset = kSmallestPageSize; offset < page_;
         offset += kSmallestPageSize) {
      EXPECT_EQ(Map(3, offset), Type::kErrInvalidParameter) << offset;
      EXPECT_EQ(Map(3, 2 * page_ + offset), Type::kErrInvalidParameter);
      EXPECT_EQ(misaligned(), refused += 2);
    }
    EXPECT_EQ(g_->stats().mapped_blobs.value(), 1u);
    EXPECT_EQ(Map(3, 3 * page_), Type::kOkMapInfo);
  }
}

TEST_P(GpuPagesTest, NeighboursInTheWindowDoNotOverlap) {
  Start(Driver::kDoesNot);
  for (const uint32_t id : {2, 3, 4}) {
    ASSERT_EQ(CreateHostBlob(id, page_), Type::kOkNodata);
    ASSERT_EQ(Map(id, (id - 1) * page_), Type::kOkMapInfo);
    g_->window()[(id - 1) * page_] = static_cast<uint8_t>(id);
    g_->window()[id * page_ - 1] = static_cast<uint8_t>(id);
  }
  ASSERT_EQ(g_->Call(ResourceRequest(Type::kResourceUnmapBlob, 3)),
            Type::kOkNodata);
  EXPECT_EQ(g_->window()[2 * page_ - 1], 2);
  EXPECT_EQ(g_->window()[2 * page_], 0);
  EXPECT_EQ(g_->window()[3 * page_ - 1], 0);
  EXPECT_EQ(g_->window()[3 * page_], 4);
}

// What a transport makes a BAR of, and the hypervisor a memory slot.
TEST_P(GpuPagesTest, TheWindowIsWholePagesOfTheHost) {
  for (const uint64_t pages : {1, 2, 16}) {
    VirtioGpu::Config config = Config();
    config.window_bytes = pages * page_;
    g_ = std::make_unique<GpuDriver>(config);
    const auto regions = g_->device().shared_memory_regions();
    ASSERT_EQ(regions.size(), 1u);
    EXPECT_EQ(regions[0].host.size(), config.window_bytes);
    EXPECT_TRUE(
        IsAligned(reinterpret_cast<uintptr_t>(regions[0].host.data()), page_));
  }
}

TEST_P(GpuPagesTest, RefusesAWindowOfLessThanAPage) {
  VirtioGpu::Config config = Config();
  config.window_bytes = page_ / 2;
  EXPECT_EQ(VirtioGpu::Create(config, {}, std::make_unique<HeadlessSink>())
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(GpuPagesCreateTest, RefusesPagesThatCannotBe) {
  for (const uint64_t page :
       {uint64_t{0}, HostPageSize() / 2, HostPageSize() + 1, 3 * HostPageSize(),
        uint64_t{1} << 32}) {
    VirtioGpu::Config config;
    config.page_size = page;
    EXPECT_EQ(VirtioGpu::Create(config, {}, std::make_unique<HeadlessSink>())
                  .status()
                  .code(),
              absl::StatusCode::kInvalidArgument)
        << page;
  }
}

}  // namespace
}  // namespace nacre::virtio_gpu
