#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

// Blob resources and the host-visible window (virtio 1.3, 5.7.6.8).
namespace nacre::virtio_gpu {
namespace {

using wire::Type;

constexpr uint64_t kPage = kLargestPageSize;

class GpuBlobsTest : public testing::Test {
 protected:
  GpuBlobsTest() { g_.CreateContext(1); }

  Type Map(uint32_t id, uint64_t offset) {
    return g_.Call(MapRequest(id, offset));
  }
  Type Unmap(uint32_t id) {
    return g_.Call(ResourceRequest(Type::kResourceUnmapBlob, id));
  }
  Type Unref(uint32_t id) {
    return g_.Call(ResourceRequest(Type::kResourceUnref, id));
  }
  Type CreateWithEntry(wire::BlobMem mem, uint32_t id, uint64_t address,
                       uint32_t length, uint32_t ctx_id) {
    wire::ResourceCreateBlob blob = {};
    blob.resource_id = id;
    blob.blob_mem = static_cast<uint32_t>(mem);
    blob.blob_flags = wire::kBlobFlagUseMappable;
    blob.nr_entries = 1;
    blob.size = length;
    return g_.Call(Request(Type::kResourceCreateBlob)
                       .Context(ctx_id)
                       .With(blob)
                       .With(wire::MemEntry{address, length, 0}));
  }

  GpuDriver g_;
};

TEST_F(GpuBlobsTest, SaysHowToCacheTheMapping) {
  g_.CreateHostBlob(1, 2, kPage);
  g_.gpu().SetCaching(MapCaching::kWriteCombined);
  EXPECT_EQ(
      g_.CallFor<wire::MapInfo>(MapRequest(2, 0), Type::kOkMapInfo).map_info,
      3u);
}

TEST_F(GpuBlobsTest, UnrefOfAMappedBlobTakesTheMappingAway) {
  g_.CreateHostBlob(1, 2, kPage);
  ASSERT_EQ(Map(2, 0), Type::kOkMapInfo);
  g_.window()[0] = 1;
  ASSERT_EQ(Unref(2), Type::kOkNodata);
  EXPECT_EQ(g_.window()[0], 0);
  EXPECT_EQ(g_.stats().mapped_bytes.value(), 0u);
  EXPECT_EQ(g_.gpu().live_blobs(), 0);
  // The place is free again.
  g_.CreateHostBlob(1, 3, kPage);
  EXPECT_EQ(Map(3, 0), Type::kOkMapInfo);
}

TEST_F(GpuBlobsTest, AMappingOutlivesItsContext) {
  g_.CreateHostBlob(1, 2, kPage);
  ASSERT_EQ(Map(2, 0), Type::kOkMapInfo);
  g_.window()[0] = 5;
  ASSERT_EQ(g_.Call(Request(Type::kCtxDestroy).Context(1)), Type::kOkNodata);
  EXPECT_EQ(g_.window()[0], 5);
  EXPECT_EQ(Unmap(2), Type::kOkNodata);
  EXPECT_EQ(Unref(2), Type::kOkNodata);
}

TEST_F(GpuBlobsTest, RefusesBadPlacesInTheWindow) {
  const uint64_t window = GpuDriver::DefaultConfig().window_bytes;
  g_.CreateHostBlob(1, 2, 2 * kPage);
  g_.CreateHostBlob(1, 3, 2 * kPage);
  EXPECT_EQ(Map(2, 1), Type::kErrInvalidParameter);
  EXPECT_EQ(Map(2, window), Type::kErrInvalidParameter);
  EXPECT_EQ(Map(2, window - kPage), Type::kErrInvalidParameter);
  EXPECT_EQ(Map(2, UINT64_MAX - kPage + 1), Type::kErrInvalidParameter);
  EXPECT_EQ(Map(2, 4 * kPage), Type::kOkMapInfo);
  EXPECT_EQ(Map(2, 0), Type::kErrInvalidParameter);  // Mapped already.
  EXPECT_EQ(Map(3, 4 * kPage), Type::kErrInvalidParameter);
  EXPECT_EQ(Map(3, 5 * kPage), Type::kErrInvalidParameter);
  EXPECT_EQ(Map(3, 3 * kPage), Type::kErrInvalidParameter);
  EXPECT_EQ(Map(3, 2 * kPage), Type::kOkMapInfo);
}

TEST_F(GpuBlobsTest, RefusesToUnmapWhatIsNotMapped) {
  g_.CreateHostBlob(1, 2, kPage);
  EXPECT_EQ(Unmap(2), Type::kErrInvalidParameter);
  EXPECT_EQ(Unmap(9), Type::kErrInvalidResourceId);
  ASSERT_EQ(Map(2, 0), Type::kOkMapInfo);
  EXPECT_EQ(Unmap(2), Type::kOkNodata);
  EXPECT_EQ(Unmap(2), Type::kErrInvalidParameter);
}

TEST_F(GpuBlobsTest, RefusesToMapWhatWasNotMadeMappable) {
  wire::ResourceCreateBlob blob = {};
  blob.resource_id = 2;
  blob.blob_mem = static_cast<uint32_t>(wire::BlobMem::kHost3d);
  blob.size = kPage;
  ASSERT_EQ(g_.Call(Request(Type::kResourceCreateBlob).Context(1).With(blob)),
            Type::kOkNodata);
  EXPECT_EQ(Map(2, 0), Type::kErrInvalidParameter);
  const uint64_t page = g_.driver().ram().Allocate(kPage);
  ASSERT_EQ(CreateWithEntry(wire::BlobMem::kGuest, 3, page, kPage, 0),
            Type::kOkNodata);
  EXPECT_EQ(Map(3, 0), Type::kErrInvalidParameter);
}

TEST_F(GpuBlobsTest, RefusesResourceIdsInUse) {
  g_.CreateHostBlob(1, 2, kPage);
  EXPECT_EQ(g_.Call(HostBlobRequest(1, 2, kPage)), Type::kErrInvalidResourceId);
  EXPECT_EQ(g_.gpu().live_blobs(), 1);
}

TEST_F(GpuBlobsTest, AHost3dGuestBlobHasBothHalves) {
  const uint64_t page = g_.driver().ram().Allocate(kPage);
  ASSERT_EQ(CreateWithEntry(wire::BlobMem::kHost3dGuest, 2, page, kPage, 1),
            Type::kOkNodata);
  EXPECT_EQ(g_.gpu().live_blobs(), 1);
  EXPECT_EQ(Map(2, 0), Type::kOkMapInfo);
  EXPECT_EQ(Unref(2), Type::kOkNodata);
  EXPECT_EQ(g_.gpu().live_blobs(), 0);
}

TEST_F(GpuBlobsTest, ABadBackingLeavesNoHostObjectBehind) {
  for (const auto mem : {wire::BlobMem::kGuest, wire::BlobMem::kHost3dGuest}) {
    EXPECT_EQ(CreateWithEntry(mem, 2, 0, kPage, 1), Type::kErrInvalidParameter);
  }
  EXPECT_EQ(g_.gpu().live_blobs(), 0);
  EXPECT_EQ(g_.stats().resources.value(), 0u);
  EXPECT_TRUE(g_.gpu().contexts().at(1).resources.empty());
}

// Linux detaches and attaches the pages of an imported dma-buf again.
TEST_F(GpuBlobsTest, AGuestBlobMayLoseItsPagesAndGetOthers) {
  const uint64_t page = g_.driver().ram().Allocate(kPage);
  ASSERT_EQ(CreateWithEntry(wire::BlobMem::kGuest, 2, page, kPage, 0),
            Type::kOkNodata);
  const auto detach = ResourceRequest(Type::kResourceDetachBacking, 2);
  const auto attach = [&](uint32_t length) {
    return g_.Call(Request(Type::kResourceAttachBacking)
                       .With(wire::ResourceAttachBacking{2, 1})
                       .With(wire::MemEntry{page, length, 0}));
  };
  EXPECT_EQ(g_.Call(detach), Type::kOkNodata);
  EXPECT_EQ(g_.Call(detach), Type::kOkNodata);
  EXPECT_EQ(attach(kPage - 1), Type::kErrInvalidParameter);
  EXPECT_EQ(attach(kPage), Type::kOkNodata);
  EXPECT_EQ(Unref(2), Type::kOkNodata);
}

class GpuBlobScanoutTest : public GpuBlobsTest {
 protected:
  wire::SetScanoutBlob Scanout(uint32_t id) {
    wire::SetScanoutBlob s = {};
    s.r = {0, 0, 16, 16};
    s.resource_id = id;
    s.width = 16;
    s.height = 16;
    s.format = 1;
    s.strides[0] = 128;  // Rows are 64 bytes.
    s.offsets[0] = 256;
    return s;
  }
  // Where that puts pixel (5, 3).
  static constexpr uint64_t kPixel = 256 + 3 * 128 + 5 * 4;

  Type Set(const wire::SetScanoutBlob& s) {
    return g_.Call(Request(Type::kSetScanoutBlob).With(s));
  }
  Type Flush(uint32_t id, const wire::Rect& r = {0, 0, 16, 16}) {
    return g_.Call(
        Request(Type::kResourceFlush).With(wire::ResourceFlush{r, id, 0}));
  }
  uint32_t Pixel(uint32_t x, uint32_t y) {
    const auto frame = g_.sink().frame(0);
    uint32_t value = 0;
    std::memcpy(&value, &frame.value().pixels[(size_t{y} * 16 + x) * 4], 4);
    return value;
  }
};

TEST_F(GpuBlobScanoutTest, ShowsAGuestBlob) {
  const uint64_t page = g_.driver().ram().Allocate(kPage);
  ASSERT_EQ(CreateWithEntry(wire::BlobMem::kGuest, 2, page, kPage, 0),
            Type::kOkNodata);
  ASSERT_EQ(Set(Scanout(2)), Type::kOkNodata);
  g_.driver().ram().WriteValue(page + kPixel, 0x12345678u);
  ASSERT_EQ(Flush(2), Type::kOkNodata);
  EXPECT_EQ(Pixel(5, 3), 0x12345678u);
  // Without pages it keeps showing what it showed.
  ASSERT_EQ(g_.Call(ResourceRequest(Type::kResourceDetachBacking, 2)),
            Type::kOkNodata);
  EXPECT_EQ(Flush(2), Type::kOkNodata);
  EXPECT_EQ(Pixel(5, 3), 0x12345678u);
}

TEST_F(GpuBlobScanoutTest, ShowsABlobOfTheHost) {
  g_.CreateHostBlob(1, 2, kPage);
  ASSERT_EQ(Map(2, 0), Type::kOkMapInfo);
  ASSERT_EQ(Set(Scanout(2)), Type::kOkNodata);
  const uint32_t value = 0x12345678;
  std::memcpy(g_.window() + kPixel, &value, 4);
  ASSERT_EQ(Flush(2), Type::kOkNodata);
  EXPECT_EQ(Pixel(5, 3), value);
  EXPECT_EQ(Unref(2), Type::kOkNodata);
  EXPECT_FALSE(g_.sink().frame(0).has_value());
}

TEST_F(GpuBlobScanoutTest, RefusesAFramebufferBeyondTheBlob) {
  g_.CreateHostBlob(1, 2, kPage);
  wire::SetScanoutBlob s = Scanout(2);
  s.offsets[0] = static_cast<uint32_t>(kPage) - 15 * 128 - 64;
  EXPECT_EQ(Set(s), Type::kOkNodata);
  s.offsets[0] += 1;
  EXPECT_EQ(Set(s), Type::kErrInvalidParameter);
  s = Scanout(2);
  s.strides[0] = 0xffffffff;
  EXPECT_EQ(Set(s), Type::kErrInvalidParameter);
  s = Scanout(2);
  s.scanout_id = 2;
  EXPECT_EQ(Set(s), Type::kErrInvalidScanoutId);
  s = Scanout(7);
  EXPECT_EQ(Set(s), Type::kErrInvalidResourceId);
}

// A flush may leave a blob, which has no width: not wrap.
TEST_F(GpuBlobScanoutTest, RefusesRectanglesThatWrapAround) {
  g_.CreateHostBlob(1, 2, kPage);
  ASSERT_EQ(Set(Scanout(2)), Type::kOkNodata);
  for (const wire::Rect& r : kWrappingRectangles) {
    EXPECT_EQ(Flush(2, r), Type::kErrInvalidParameter) << r.x << "," << r.y;
    wire::SetScanoutBlob s = Scanout(2);
    s.scanout_id = 1;
    s.r = r;
    EXPECT_EQ(Set(s), Type::kErrInvalidParameter) << r.x << "," << r.y;
  }
  EXPECT_EQ(g_.sink().frames_presented(), 0u);
  EXPECT_EQ(Flush(2), Type::kOkNodata);
  EXPECT_EQ(g_.sink().frames_presented(), 1u);
}

TEST_F(GpuBlobScanoutTest, TheTwoKindsOfScanoutTakeTheirKindOfResource) {
  g_.CreateHostBlob(1, 2, kPage);
  EXPECT_EQ(g_.Call(Request(Type::kSetScanout)
                        .With(wire::SetScanout{{0, 0, 16, 16}, 0, 2})),
            Type::kErrInvalidParameter);
  ASSERT_EQ(g_.Call(Request(Type::kResourceCreate2d)
                        .With(wire::ResourceCreate2d{3, 1, 64, 64})),
            Type::kOkNodata);
  EXPECT_EQ(Set(Scanout(3)), Type::kErrInvalidParameter);
}

// 4 GiB of backing that is one page again and again.
TEST_F(GpuBlobScanoutTest, RefusesAScanoutLargerThanAnyDisplay) {
  const uint64_t range = g_.driver().ram().Allocate(1 << 20);
  wire::ResourceCreateBlob blob = {};
  blob.resource_id = 2;
  blob.blob_mem = static_cast<uint32_t>(wire::BlobMem::kGuest);
  blob.nr_entries = 1024;
  blob.size = uint64_t{1} << 30;
  Request request(Type::kResourceCreateBlob);
  request.With(blob);
  for (uint32_t i = 0; i < blob.nr_entries; ++i) {
    request.With(wire::MemEntry{range, 1 << 20, 0});
  }
  ASSERT_EQ(g_.Call(request), Type::kOkNodata);
  wire::SetScanoutBlob s = Scanout(2);
  s.width = s.height = s.r.width = s.r.height = 16384;
  s.strides[0] = 65536;
  s.offsets[0] = 0;
  EXPECT_EQ(Set(s), Type::kErrOutOfMemory);
}

}  // namespace
}  // namespace nacre::virtio_gpu
