#include <cstring>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

// 2D resources, scanouts and cursors, as a guest console uses them (virtio 1.3,
// 5.7.5 and 5.7.6.8).
namespace nacre::virtio_gpu {
namespace {

using wire::Type;

constexpr uint32_t kWidth = 64;
constexpr uint32_t kHeight = 48;
constexpr uint64_t kStride = uint64_t{kWidth} * 4;
constexpr uint32_t kBytes = kStride * kHeight;
constexpr uint32_t kFormat = 2;  // B8G8R8X8.

class Gpu2dTest : public testing::Test {
 protected:
  virtio::GuestRam& ram() { return g_.driver().ram(); }

  Type Create(uint32_t id, uint32_t width = kWidth, uint32_t height = kHeight) {
    return g_.Call(
        Request(Type::kResourceCreate2d)
            .With(wire::ResourceCreate2d{id, kFormat, width, height}));
  }
  Type Attach(uint32_t id, const std::vector<wire::MemEntry>& entries) {
    Request request(Type::kResourceAttachBacking);
    request.With(
        wire::ResourceAttachBacking{id, static_cast<uint32_t>(entries.size())});
    for (const auto& entry : entries) request.With(entry);
    return g_.Call(request);
  }
  Type Transfer(uint32_t id, const wire::Rect& r, uint64_t offset) {
    return g_.Call(Request(Type::kTransferToHost2d)
                       .With(wire::TransferToHost2d{r, offset, id, 0}));
  }
  Type SetScanout(uint32_t scanout, uint32_t id, const wire::Rect& r) {
    return g_.Call(
        Request(Type::kSetScanout).With(wire::SetScanout{r, scanout, id}));
  }
  Type Flush(uint32_t id, const wire::Rect& r) {
    return g_.Call(
        Request(Type::kResourceFlush).With(wire::ResourceFlush{r, id, 0}));
  }
  // A resource with a backing whose pixel (x, y) is y << 16 | x | seed << 24,
  // transferred whole.
  uint64_t CreateFilled(uint32_t id, uint32_t seed) {
    const uint64_t address = ram().Allocate(kBytes);
    for (uint32_t y = 0; y < kHeight; ++y) {
      for (uint32_t x = 0; x < kWidth; ++x) {
        ram().WriteValue(address + y * kStride + uint64_t{x} * 4,
                         seed << 24 | y << 16 | x);
      }
    }
    EXPECT_EQ(Create(id), Type::kOkNodata);
    EXPECT_EQ(Attach(id, {{address, kBytes, 0}}), Type::kOkNodata);
    EXPECT_EQ(Transfer(id, kAll, 0), Type::kOkNodata);
    return address;
  }
  // Of what `scanout` shows.
  uint32_t Pixel(uint32_t scanout, uint32_t x, uint32_t y) {
    const auto frame = g_.sink().frame(scanout);
    EXPECT_TRUE(frame.has_value());
    uint32_t value = 0;
    std::memcpy(&value, &frame->pixels[(size_t{y} * frame->width + x) * 4], 4);
    return value;
  }

  static constexpr wire::Rect kAll = {0, 0, kWidth, kHeight};
  GpuDriver g_;
};

TEST_F(Gpu2dTest, ShowsWhatTheGuestDrew) {
  CreateFilled(1, 5);
  ASSERT_EQ(SetScanout(0, 1, kAll), Type::kOkNodata);
  EXPECT_FALSE(g_.sink().frame(0).has_value());
  ASSERT_EQ(Flush(1, kAll), Type::kOkNodata);
  const auto frame = g_.sink().frame(0);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->width, kWidth);
  EXPECT_EQ(frame->height, kHeight);
  EXPECT_EQ(frame->format, PixelFormat::kB8G8R8X8);
  EXPECT_EQ(Pixel(0, 63, 47), 5u << 24 | 47 << 16 | 63);
}

TEST_F(Gpu2dTest, UpdatesOnlyTheTransferredAndFlushedPart) {
  const uint64_t address = CreateFilled(1, 1);
  ASSERT_EQ(SetScanout(0, 1, kAll), Type::kOkNodata);
  ASSERT_EQ(Flush(1, kAll), Type::kOkNodata);
  for (uint64_t i = 0; i < kBytes; i += 4) {
    ram().WriteValue(address + i, 0x77777777u);
  }
  const wire::Rect r = {8, 10, 4, 2};
  ASSERT_EQ(Transfer(1, r, 10 * kStride + 32), Type::kOkNodata);
  EXPECT_EQ(Pixel(0, 8, 10), 1u << 24 | 10 << 16 | 8);
  ASSERT_EQ(Flush(1, r), Type::kOkNodata);
  EXPECT_EQ(Pixel(0, 8, 10), 0x77777777u);
  EXPECT_EQ(Pixel(0, 11, 11), 0x77777777u);
  EXPECT_EQ(Pixel(0, 7, 10), 1u << 24 | 10 << 16 | 7);
  EXPECT_EQ(Pixel(0, 12, 11), 1u << 24 | 11 << 16 | 12);
  EXPECT_EQ(Pixel(0, 8, 12), 1u << 24 | 12 << 16 | 8);
}

TEST_F(Gpu2dTest, ReadsABackingThatIsScatteredOverPages) {
  const uint64_t a = ram().Allocate(4096);
  const uint64_t gap = ram().Allocate(4096);
  const uint64_t b = ram().Allocate(4096);
  ram().WriteValue(b, 0xb0b0b0b0u);
  ram().WriteValue(a + 4092, 0xa0a0a0a0u);
  ram().WriteValue(gap, 0xbadbadu);
  ASSERT_EQ(Create(1, 64, 32), Type::kOkNodata);
  ASSERT_EQ(Attach(1, {{b, 4096, 0}, {a, 4096, 0}}), Type::kOkNodata);
  const wire::Rect r = {0, 0, 64, 32};
  ASSERT_EQ(Transfer(1, r, 0), Type::kOkNodata);
  ASSERT_EQ(SetScanout(0, 1, r), Type::kOkNodata);
  ASSERT_EQ(Flush(1, r), Type::kOkNodata);
  EXPECT_EQ(Pixel(0, 0, 0), 0xb0b0b0b0u);
  EXPECT_EQ(Pixel(0, 63, 31), 0xa0a0a0a0u);
}

TEST_F(Gpu2dTest, TwoScanoutsShowTwoPartsOfOneResource) {
  CreateFilled(1, 1);
  ASSERT_EQ(SetScanout(0, 1, {0, 0, 32, 48}), Type::kOkNodata);
  ASSERT_EQ(SetScanout(1, 1, {32, 0, 32, 48}), Type::kOkNodata);
  ASSERT_EQ(Flush(1, kAll), Type::kOkNodata);
  EXPECT_EQ(Pixel(0, 0, 3), 1u << 24 | 3 << 16 | 0);
  EXPECT_EQ(Pixel(1, 0, 3), 1u << 24 | 3 << 16 | 32);
  EXPECT_EQ(g_.sink().frames_presented(), 2u);
  // Beyond what the first one shows.
  ASSERT_EQ(Flush(1, {40, 0, 1, 1}), Type::kOkNodata);
  EXPECT_EQ(g_.sink().frames_presented(), 3u);
}

TEST_F(Gpu2dTest, APageFlipShowsAllOfTheOtherResource) {
  CreateFilled(1, 1);
  CreateFilled(2, 2);
  ASSERT_EQ(SetScanout(0, 1, kAll), Type::kOkNodata);
  ASSERT_EQ(Flush(1, kAll), Type::kOkNodata);
  ASSERT_EQ(SetScanout(0, 2, kAll), Type::kOkNodata);
  ASSERT_EQ(Flush(2, {0, 0, 1, 1}), Type::kOkNodata);
  EXPECT_EQ(Pixel(0, 63, 47), 2u << 24 | 47 << 16 | 63);
  // The first shows nowhere any more.
  const uint64_t presented = g_.sink().frames_presented();
  ASSERT_EQ(Flush(1, kAll), Type::kOkNodata);
  EXPECT_EQ(g_.sink().frames_presented(), presented);
}

TEST_F(Gpu2dTest, ResourceZeroDisablesAScanout) {
  CreateFilled(1, 1);
  ASSERT_EQ(SetScanout(0, 1, kAll), Type::kOkNodata);
  ASSERT_EQ(Flush(1, kAll), Type::kOkNodata);
  ASSERT_EQ(SetScanout(0, 0, {}), Type::kOkNodata);
  EXPECT_FALSE(g_.sink().frame(0).has_value());
}

TEST_F(Gpu2dTest, UnrefOfAScannedOutResourceDisablesTheScanout) {
  CreateFilled(1, 1);
  ASSERT_EQ(SetScanout(0, 1, kAll), Type::kOkNodata);
  ASSERT_EQ(SetScanout(1, 1, kAll), Type::kOkNodata);
  ASSERT_EQ(Flush(1, kAll), Type::kOkNodata);
  EXPECT_EQ(g_.Call(ResourceRequest(Type::kResourceUnref, 1)), Type::kOkNodata);
  EXPECT_FALSE(g_.sink().frame(0).has_value());
  EXPECT_FALSE(g_.sink().frame(1).has_value());
  EXPECT_EQ(Flush(1, kAll), Type::kErrInvalidResourceId);
  EXPECT_EQ(g_.stats().image_bytes.value(), 0u);
}

TEST_F(Gpu2dTest, RefusesScanoutsThatDoNotExist) {
  CreateFilled(1, 1);
  EXPECT_EQ(SetScanout(2, 1, kAll), Type::kErrInvalidScanoutId);
  EXPECT_EQ(SetScanout(0xffffffff, 1, kAll), Type::kErrInvalidScanoutId);
  EXPECT_EQ(SetScanout(2, 0, {}), Type::kErrInvalidScanoutId);
  EXPECT_EQ(g_.Call(Request(Type::kGetEdid).With(wire::GetEdid{2, 0})),
            Type::kErrInvalidScanoutId);
}

TEST_F(Gpu2dTest, RefusesRectanglesBeyondTheResource) {
  CreateFilled(1, 1);
  ASSERT_EQ(SetScanout(0, 1, kAll), Type::kOkNodata);
  const auto expect_refused = [this](const wire::Rect& r) {
    EXPECT_EQ(Transfer(1, r, 0), Type::kErrInvalidParameter) << r.x;
    EXPECT_EQ(Flush(1, r), Type::kErrInvalidParameter) << r.x;
    EXPECT_EQ(SetScanout(1, 1, r), Type::kErrInvalidParameter) << r.x;
  };
  for (const wire::Rect& r :
       {wire::Rect{0, 0, kWidth + 1, 1}, wire::Rect{0, 0, 1, kHeight + 1},
        wire::Rect{kWidth, 0, 1, 1}, wire::Rect{1, 0, kWidth, 1},
        wire::Rect{0, kHeight, 1, 1}, wire::Rect{0, 1, 1, kHeight}}) {
    expect_refused(r);
  }
  for (const wire::Rect& r : kWrappingRectangles) expect_refused(r);
  EXPECT_EQ(g_.sink().frames_presented(), 0u);
}

TEST_F(Gpu2dTest, RefusesTransfersBeyondTheBacking) {
  CreateFilled(1, 1);
  EXPECT_EQ(Transfer(1, kAll, 1), Type::kErrInvalidParameter);
  EXPECT_EQ(Transfer(1, {0, 0, 1, 1}, kBytes - 4), Type::kOkNodata);
  EXPECT_EQ(Transfer(1, {0, 0, 1, 1}, kBytes - 3), Type::kErrInvalidParameter);
  EXPECT_EQ(Transfer(1, {0, 0, 1, 2}, kBytes - kStride),
            Type::kErrInvalidParameter);
  EXPECT_EQ(Transfer(1, {0, 0, 1, 1}, UINT64_MAX), Type::kErrInvalidParameter);
}

TEST_F(Gpu2dTest, RefusesTransfersWithoutBacking) {
  ASSERT_EQ(Create(1), Type::kOkNodata);
  EXPECT_EQ(Transfer(1, kAll, 0), Type::kErrInvalidParameter);
  CreateFilled(2, 1);
  EXPECT_EQ(g_.Call(ResourceRequest(Type::kResourceDetachBacking, 2)),
            Type::kOkNodata);
  EXPECT_EQ(Transfer(2, kAll, 0), Type::kErrInvalidParameter);
}

TEST_F(Gpu2dTest, RefusesABackingOutsideRamOrASecondOne) {
  ASSERT_EQ(Create(1), Type::kOkNodata);
  EXPECT_EQ(Attach(1, {{ram().end() - 4096, 8192, 0}}),
            Type::kErrInvalidParameter);
  EXPECT_EQ(Attach(1, {{0, 4096, 0}}), Type::kErrInvalidParameter);
  const uint64_t page = ram().Allocate(4096);
  EXPECT_EQ(Attach(1, {{page, 4096, 0}}), Type::kOkNodata);
  EXPECT_EQ(Attach(1, {{page, 4096, 0}}), Type::kErrInvalidParameter);
}

TEST_F(Gpu2dTest, RefusesResourceIdsInUseOrUnknown) {
  ASSERT_EQ(Create(1), Type::kOkNodata);
  EXPECT_EQ(Create(1), Type::kErrInvalidResourceId);
  EXPECT_EQ(Attach(9, {}), Type::kErrInvalidResourceId);
  EXPECT_EQ(Transfer(9, kAll, 0), Type::kErrInvalidResourceId);
  EXPECT_EQ(SetScanout(0, 9, kAll), Type::kErrInvalidResourceId);
  EXPECT_EQ(Flush(9, kAll), Type::kErrInvalidResourceId);
  for (const Type type : {Type::kResourceUnref, Type::kResourceDetachBacking,
                          Type::kResourceAssignUuid}) {
    EXPECT_EQ(g_.Call(ResourceRequest(type, 9)), Type::kErrInvalidResourceId);
  }
}

TEST_F(Gpu2dTest, AUuidIsAVersion4AndStaysTheSame) {
  ASSERT_EQ(Create(1), Type::kOkNodata);
  ASSERT_EQ(Create(2), Type::kOkNodata);
  const auto uuid = [this](uint32_t id) {
    return g_.CallFor<wire::ResourceUuid>(
        ResourceRequest(Type::kResourceAssignUuid, id), Type::kOkResourceUuid);
  };
  const wire::ResourceUuid first = uuid(1);
  EXPECT_EQ(first.uuid[6] >> 4, 4);
  const wire::ResourceUuid again = uuid(1);
  const wire::ResourceUuid other = uuid(2);
  EXPECT_EQ(std::memcmp(&first, &again, sizeof first), 0);
  EXPECT_NE(std::memcmp(&first, &other, sizeof first), 0);
}

class GpuCursorTest : public Gpu2dTest {
 protected:
  // Linux leaves no room for an answer; the used ring is all there is.
  void Send(Type type, const wire::Cursor& cursor, uint32_t room = 0) {
    response_ = g_.driver().Call(wire::kCursorQueue,
                                 Request(type).With(cursor).bytes(), room);
  }
  wire::Cursor At(uint32_t scanout, uint32_t x, uint32_t y, uint32_t resource) {
    wire::Cursor cursor = {};
    cursor.scanout_id = scanout;
    cursor.x = x;
    cursor.y = y;
    cursor.resource_id = resource;
    cursor.hot_x = 3;
    return cursor;
  }

  std::vector<uint8_t> response_;
};

TEST_F(GpuCursorTest, ShowsMovesAndHidesTheCursor) {
  ASSERT_EQ(Create(1, 64, 64), Type::kOkNodata);
  Send(Type::kUpdateCursor, At(0, 10, 20, 1));
  EXPECT_EQ(g_.sink().cursor(0).frame->width, 64u);
  EXPECT_EQ(g_.sink().cursor(0).hot_x, 3u);
  EXPECT_EQ(g_.sink().cursor(0).x, 10u);
  Send(Type::kMoveCursor, At(0, 11, 21, 0));
  EXPECT_TRUE(g_.sink().cursor(0).frame.has_value());
  EXPECT_EQ(g_.sink().cursor(0).y, 21u);
  Send(Type::kUpdateCursor, At(0, 0, 0, 0));
  EXPECT_FALSE(g_.sink().cursor(0).frame.has_value());
}

TEST_F(GpuCursorTest, EveryCursorCommandIsReturnedWhateverIsWrongWithIt) {
  ASSERT_EQ(Create(1, 65, 64), Type::kOkNodata);
  Send(Type::kUpdateCursor, At(9, 0, 0, 1));
  Send(Type::kUpdateCursor, At(0, 0, 0, 1));  // Too large for a cursor.
  Send(Type::kUpdateCursor, At(0, 0, 0, 77));
  Send(Type::kMoveCursor, At(0xffffffff, 0xffffffff, 0xffffffff, 0));
  Send(Type::kGetDisplayInfo, At(0, 0, 0, 0));
  const std::vector<uint8_t> tiny = {1, 2, 3};
  g_.driver().Call(wire::kCursorQueue, tiny, 0);
  EXPECT_EQ(g_.stats().total_errors(), 6u);
  EXPECT_FALSE(g_.driver().needs_reset());
}

TEST_F(GpuCursorTest, AnswersWhereTheDriverLeftRoom) {
  Send(Type::kMoveCursor, At(9, 0, 0, 0), sizeof(wire::CtrlHeader));
  const auto header =
      ByteReader(response_).ReadZeroExtended<wire::CtrlHeader>();
  EXPECT_EQ(static_cast<Type>(header.type), Type::kErrInvalidScanoutId);
}

}  // namespace
}  // namespace nacre::virtio_gpu
