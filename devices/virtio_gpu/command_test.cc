#include "devices/virtio_gpu/command.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "devices/virtio_gpu/error.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

using wire::Type;

constexpr uint64_t kAllFeatures =
    wire::kFeatureVirgl | wire::kFeatureEdid | wire::kFeatureResourceUuid |
    wire::kFeatureResourceBlob | wire::kFeatureContextInit;
constexpr uint32_t kMaxEntries = 4;
constexpr uint32_t kMaxSubmit = 64;

Limits SmallLimits() {
  Limits limits;
  limits.max_mem_entries = kMaxEntries;
  limits.max_submit_bytes = kMaxSubmit;
  return limits;
}

absl::StatusOr<Command> Decode(const Request& request,
                               uint64_t features = kAllFeatures,
                               QueueKind queue = QueueKind::kControl) {
  const CommandHeader header(request.header());
  return DecodeCommand(queue, header, request.body(), features, SmallLimits());
}

Type ErrorOf(const Request& request, uint64_t features = kAllFeatures,
             QueueKind queue = QueueKind::kControl) {
  const absl::StatusOr<Command> command = Decode(request, features, queue);
  return command.ok() ? Type::kOkNodata : ErrorResponseType(command.status());
}

Request Create2d(uint32_t id, uint32_t format, uint32_t width,
                 uint32_t height) {
  return Request(Type::kResourceCreate2d)
      .With(wire::ResourceCreate2d{id, format, width, height});
}

Request AttachBacking(uint32_t claimed,
                      std::initializer_list<wire::MemEntry> entries) {
  Request request(Type::kResourceAttachBacking);
  request.With(wire::ResourceAttachBacking{7, claimed});
  for (const wire::MemEntry& entry : entries) request.With(entry);
  return request;
}

wire::ResourceCreateBlob Blob(wire::BlobMem mem, uint64_t size) {
  wire::ResourceCreateBlob blob = {};
  blob.resource_id = 3;
  blob.blob_mem = static_cast<uint32_t>(mem);
  blob.size = size;
  return blob;
}

Request CreateBlob(const wire::ResourceCreateBlob& blob) {
  return Request(Type::kResourceCreateBlob).With(blob);
}

// Commands of a fixed size, with the size of their body.
const std::pair<Type, size_t> kFixedCommands[] = {
    {Type::kResourceCreate2d, 16},
    {Type::kResourceUnref, 8},
    {Type::kSetScanout, 24},
    {Type::kResourceFlush, 24},
    {Type::kTransferToHost2d, 32},
    {Type::kResourceAttachBacking, 8},
    {Type::kResourceDetachBacking, 8},
    {Type::kGetCapsetInfo, 8},
    {Type::kGetCapset, 8},
    {Type::kGetEdid, 8},
    {Type::kResourceAssignUuid, 8},
    {Type::kResourceCreateBlob, 32},
    {Type::kSetScanoutBlob, 72},
    {Type::kCtxCreate, 72},
    {Type::kCtxAttachResource, 8},
    {Type::kCtxDetachResource, 8},
    {Type::kResourceCreate3d, 48},
    {Type::kTransferToHost3d, 48},
    {Type::kTransferFromHost3d, 48},
    {Type::kSubmit3d, 8},
    {Type::kResourceMapBlob, 16},
    {Type::kResourceUnmapBlob, 8},
};

TEST(DecodeCommandTest, RefusesEveryCommandThatIsOneByteShort) {
  for (const auto& [type, size] : kFixedCommands) {
    const std::vector<uint8_t> body(size - 1, 1);
    EXPECT_EQ(ErrorOf(Request(type).WithBytes(body)),
              Type::kErrInvalidParameter)
        << static_cast<uint32_t>(type);
    EXPECT_LE(size, MaxBodySize(type, Limits()));
  }
  for (const Type type : {Type::kUpdateCursor, Type::kMoveCursor}) {
    const std::vector<uint8_t> body(31, 1);
    EXPECT_EQ(ErrorOf(Request(type).WithBytes(body), kAllFeatures,
                      QueueKind::kCursor),
              Type::kErrInvalidParameter);
  }
}

TEST(DecodeCommandTest, IgnoresBytesBehindTheCommand) {
  auto command = Decode(ResourceRequest(Type::kResourceUnref, 9)
                            .With(uint64_t{0x1234567812345678}));
  ASSERT_TRUE(command.ok());
  EXPECT_EQ(std::get<ResourceUnref>(*command).resource_id, 9u);
}

TEST(DecodeCommandTest, RefusesUnknownTypes) {
  for (const uint32_t type :
       {0u, 0x00ffu, 0x010eu, 0x020au, 0x0302u, 0x1100u, 0xffffffffu}) {
    EXPECT_EQ(ErrorOf(Request(static_cast<Type>(type))), Type::kErrUnspec);
    EXPECT_EQ(ErrorOf(Request(static_cast<Type>(type)), kAllFeatures,
                      QueueKind::kCursor),
              Type::kErrUnspec);
  }
}

TEST(DecodeCommandTest, RefusesCommandsOfTheOtherQueue) {
  const std::vector<uint8_t> body(96);
  EXPECT_EQ(ErrorOf(Request(Type::kUpdateCursor).WithBytes(body)),
            Type::kErrUnspec);
  EXPECT_EQ(
      ErrorOf(Request(Type::kGetDisplayInfo), kAllFeatures, QueueKind::kCursor),
      Type::kErrUnspec);
}

// 5.7.3.1: what was not negotiated is not there.
TEST(DecodeCommandTest, RefusesCommandsOfFeaturesThatWereNotNegotiated) {
  const std::pair<Type, uint64_t> commands[] = {
      {Type::kGetEdid, wire::kFeatureEdid},
      {Type::kResourceAssignUuid, wire::kFeatureResourceUuid},
      {Type::kResourceMapBlob, wire::kFeatureResourceBlob},
      {Type::kResourceUnmapBlob, wire::kFeatureResourceBlob},
      {Type::kCtxDestroy, wire::kFeatureVirgl},
      {Type::kGetCapset, wire::kFeatureVirgl}};
  const std::vector<uint8_t> body(96, 1);
  for (const auto& [type, feature] : commands) {
    const Request request = Request(type).WithBytes(body);
    EXPECT_EQ(ErrorOf(request), Type::kOkNodata);
    EXPECT_EQ(ErrorOf(request, kAllFeatures & ~feature), Type::kErrUnspec);
  }
}

TEST(DecodeCommandTest, DecodesEveryFormatAndNoOther) {
  for (uint32_t format = 0; format < 256; ++format) {
    const bool known = (format >= 1 && format <= 4) || format == 67 ||
                       format == 68 || format == 121 || format == 134;
    EXPECT_EQ(Decode(Create2d(1, format, 8, 8)).ok(), known) << format;
  }
}

TEST(DecodeCommandTest, RefusesImagesOfBadDimensions) {
  const uint32_t max = SmallLimits().max_image_dimension;
  EXPECT_EQ(ErrorOf(Create2d(1, 1, max, max)), Type::kOkNodata);
  for (const auto& [width, height] : {std::pair<uint32_t, uint32_t>{0, 1},
                                      {1, 0},
                                      {max + 1, 1},
                                      {1, max + 1},
                                      {0x80000000, 2},
                                      {0xffffffff, 0xffffffff}}) {
    EXPECT_EQ(ErrorOf(Create2d(1, 1, width, height)),
              Type::kErrInvalidParameter);
  }
}

TEST(DecodeCommandTest, RefusesToCreateResourceZero) {
  EXPECT_EQ(ErrorOf(Create2d(0, 1, 8, 8)), Type::kErrInvalidResourceId);
  wire::ResourceCreateBlob blob = Blob(wire::BlobMem::kHost3d, 4096);
  blob.resource_id = 0;
  EXPECT_EQ(ErrorOf(CreateBlob(blob)), Type::kErrInvalidResourceId);
}

TEST(DecodeCommandTest, RefusesRectanglesWhoseEndsOverflow) {
  for (const wire::Rect& r :
       {wire::Rect{0xffffffff, 0, 1, 1}, wire::Rect{0, 0xffffffff, 1, 1},
        wire::Rect{1, 0, 0xffffffff, 1}, wire::Rect{0, 0, 0, 1},
        wire::Rect{0, 0, 1, 0}}) {
    EXPECT_EQ(
        ErrorOf(
            Request(Type::kResourceFlush).With(wire::ResourceFlush{r, 1, 0})),
        Type::kErrInvalidParameter);
    EXPECT_EQ(ErrorOf(Request(Type::kTransferToHost2d)
                          .With(wire::TransferToHost2d{r, 0, 1, 0})),
              Type::kErrInvalidParameter);
    EXPECT_EQ(
        ErrorOf(Request(Type::kSetScanout).With(wire::SetScanout{r, 0, 1})),
        Type::kErrInvalidParameter);
  }
}

TEST(DecodeCommandTest, ADisabledScanoutNeedsNoRectangle) {
  EXPECT_EQ(
      ErrorOf(Request(Type::kSetScanout).With(wire::SetScanout{{}, 0, 0})),
      Type::kOkNodata);
  EXPECT_EQ(
      ErrorOf(Request(Type::kSetScanoutBlob).With(wire::SetScanoutBlob{})),
      Type::kOkNodata);
}

TEST(DecodeCommandTest, DecodesMemoryEntriesWithoutEmptyOnes) {
  auto command = Decode(
      AttachBacking(3, {{0x1000, 16, 0}, {0x9000, 0, 0}, {0x2000, 8, 0}}));
  ASSERT_TRUE(command.ok());
  const auto& attach = std::get<ResourceAttachBacking>(*command);
  EXPECT_EQ(attach.resource_id, 7u);
  ASSERT_EQ(attach.entries.size(), 2u);
  EXPECT_EQ(attach.entries[1].address, 0x2000u);
  EXPECT_EQ(attach.entries[1].length, 8u);
}

TEST(DecodeCommandTest, RefusesMoreEntriesThanThereAre) {
  EXPECT_EQ(ErrorOf(AttachBacking(2, {{0x1000, 16, 0}})),
            Type::kErrInvalidParameter);
}

// 0x10000001 * 16 wraps to 16 in 32 bits.
TEST(DecodeCommandTest, RefusesEntryCountsBeyondTheLimitBeforeAllocating) {
  for (const uint32_t count : {kMaxEntries + 1, 0x10000001u, 0xffffffffu}) {
    EXPECT_EQ(ErrorOf(AttachBacking(count, {{0x1000, 16, 0}})),
              Type::kErrOutOfMemory);
    wire::ResourceCreateBlob blob = Blob(wire::BlobMem::kGuest, 4096);
    blob.nr_entries = count;
    EXPECT_EQ(ErrorOf(CreateBlob(blob).With(wire::MemEntry{0x1000, 4096, 0})),
              Type::kErrOutOfMemory);
  }
}

TEST(DecodeCommandTest, RefusesEntriesThatWrapAround) {
  EXPECT_EQ(ErrorOf(AttachBacking(1, {{UINT64_MAX - 7, 16, 0}})),
            Type::kErrInvalidParameter);
}

TEST(DecodeCommandTest, DecodesABlobOfTheHost) {
  wire::ResourceCreateBlob blob = Blob(wire::BlobMem::kHost3d, 8192);
  blob.blob_flags = wire::kBlobFlagUseMappable | wire::kBlobFlagUseCrossDevice;
  blob.blob_id = 0x123456789;
  auto command = Decode(CreateBlob(blob));
  ASSERT_TRUE(command.ok());
  const auto& create = std::get<ResourceCreateBlob>(*command);
  EXPECT_EQ(create.mem, wire::BlobMem::kHost3d);
  EXPECT_EQ(create.request.blob_id, 0x123456789u);
  EXPECT_EQ(create.request.size, 8192u);
  EXPECT_TRUE(create.request.mappable);
  EXPECT_FALSE(create.request.shareable);
  EXPECT_TRUE(create.request.cross_device);
}

TEST(DecodeCommandTest, RefusesBlobsOfBadSizeKindOrFlags) {
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{1}, uint64_t{4095}, uint64_t{4097},
        SmallLimits().max_blob_bytes + 4096, UINT64_MAX - 4095}) {
    EXPECT_EQ(ErrorOf(CreateBlob(Blob(wire::BlobMem::kHost3d, size))),
              Type::kErrInvalidParameter);
  }
  for (const uint32_t mem : {0u, 4u, 0xffffffffu}) {
    EXPECT_EQ(ErrorOf(CreateBlob(Blob(static_cast<wire::BlobMem>(mem), 4096))),
              Type::kErrInvalidParameter);
  }
  wire::ResourceCreateBlob blob = Blob(wire::BlobMem::kHost3d, 4096);
  blob.blob_flags = 8;
  EXPECT_EQ(ErrorOf(CreateBlob(blob)), Type::kErrInvalidParameter);
}

// 5.7.6.8: HOST3D has no entries, the others cover their size.
TEST(DecodeCommandTest, RefusesBlobsWhoseEntriesDoNotFitTheirKind) {
  wire::ResourceCreateBlob blob = Blob(wire::BlobMem::kHost3d, 4096);
  blob.nr_entries = 1;
  EXPECT_EQ(ErrorOf(CreateBlob(blob).With(wire::MemEntry{0x1000, 4096, 0})),
            Type::kErrInvalidParameter);
  for (const auto mem : {wire::BlobMem::kGuest, wire::BlobMem::kHost3dGuest}) {
    blob = Blob(mem, 8192);
    EXPECT_EQ(ErrorOf(CreateBlob(blob)), Type::kErrInvalidParameter);
    blob.nr_entries = 1;
    EXPECT_EQ(ErrorOf(CreateBlob(blob).With(wire::MemEntry{0x1000, 8191, 0})),
              Type::kErrInvalidParameter);
    EXPECT_EQ(ErrorOf(CreateBlob(blob).With(wire::MemEntry{0x1000, 8192, 0})),
              Type::kOkNodata);
  }
}

wire::SetScanoutBlob ScanoutBlob() {
  wire::SetScanoutBlob s = {};
  s.r = {0, 0, 64, 32};
  s.resource_id = 1;
  s.width = 64;
  s.height = 32;
  s.format = 2;
  s.strides[0] = 256;
  return s;
}

Type ScanoutBlobError(const wire::SetScanoutBlob& s) {
  return ErrorOf(Request(Type::kSetScanoutBlob).With(s));
}

TEST(DecodeCommandTest, KnowsWhereABlobsFramebufferEnds) {
  wire::SetScanoutBlob s = ScanoutBlob();
  s.strides[0] = 0xffffffff;
  s.offsets[0] = 0xffffffff;
  auto command = Decode(Request(Type::kSetScanoutBlob).With(s));
  ASSERT_TRUE(command.ok());
  EXPECT_EQ(std::get<SetScanoutBlob>(*command).end_offset,
            uint64_t{0xffffffff} * 32 + 256);
}

TEST(DecodeCommandTest, RefusesBlobFramebuffersThatContradictThemselves) {
  wire::SetScanoutBlob s = ScanoutBlob();
  EXPECT_EQ(ScanoutBlobError(s), Type::kOkNodata);
  s.strides[0] = 255;
  EXPECT_EQ(ScanoutBlobError(s), Type::kErrInvalidParameter);
  s = ScanoutBlob();
  s.r.x = 1;
  EXPECT_EQ(ScanoutBlobError(s), Type::kErrInvalidParameter);
  s = ScanoutBlob();
  s.r.y = 0xffffffff;
  EXPECT_EQ(ScanoutBlobError(s), Type::kErrInvalidParameter);
  s = ScanoutBlob();
  s.format = 5;
  EXPECT_EQ(ScanoutBlobError(s), Type::kErrInvalidParameter);
  s = ScanoutBlob();
  s.width = 0;
  EXPECT_EQ(ScanoutBlobError(s), Type::kErrInvalidParameter);
}

TEST(DecodeCommandTest, CutsTheContextsNameAtItsField) {
  wire::CtxCreate create = {};
  std::fill(std::begin(create.debug_name), std::end(create.debug_name), 'x');
  for (const auto& [claimed, length] :
       {std::pair{0u, 0u}, {5u, 5u}, {64u, 64u}, {65u, 64u}, {~0u, 64u}}) {
    create.nlen = claimed;
    auto command = Decode(Request(Type::kCtxCreate).With(create));
    ASSERT_TRUE(command.ok());
    EXPECT_EQ(std::get<CtxCreate>(*command).name, std::string(length, 'x'));
  }
}

TEST(DecodeCommandTest, TakesTheCapsetOnlyWithContextInit) {
  wire::CtxCreate create = {};
  create.context_init = 6;
  const Request request = Request(Type::kCtxCreate).With(create);
  EXPECT_EQ(std::get<CtxCreate>(*Decode(request)).capset_id, 6u);
  EXPECT_EQ(
      std::get<CtxCreate>(*Decode(request, wire::kFeatureVirgl)).capset_id, 0u);
  create.context_init = 0x106;
  EXPECT_EQ(ErrorOf(Request(Type::kCtxCreate).With(create)),
            Type::kErrInvalidParameter);
}

TEST(DecodeCommandTest, SubmitHasTheBytesItClaims) {
  const std::vector<uint8_t> payload = {1, 2, 3, 4, 5};
  const Request request = SubmitRequest(1, payload);
  auto command = Decode(request);
  ASSERT_TRUE(command.ok());
  const auto bytes = std::get<Submit3d>(*command).commands;
  EXPECT_EQ(std::vector<uint8_t>(bytes.begin(), bytes.end()), payload);
}

TEST(DecodeCommandTest, RefusesSubmitsBeyondTheirBytesOrTheLimit) {
  const auto submit = [](uint32_t claimed) {
    return Request(Type::kSubmit3d)
        .With(wire::Submit3d{claimed, 0})
        .With(uint32_t{0});
  };
  EXPECT_EQ(ErrorOf(submit(4)), Type::kOkNodata);
  EXPECT_EQ(ErrorOf(submit(5)), Type::kErrInvalidParameter);
  EXPECT_EQ(ErrorOf(submit(kMaxSubmit + 1)), Type::kErrOutOfMemory);
  EXPECT_EQ(ErrorOf(submit(0xffffffff)), Type::kErrOutOfMemory);
}

TEST(DecodeCommandTest, DecodesTheCursorCommands) {
  wire::Cursor cursor = {};
  cursor.scanout_id = 1;
  cursor.x = 20;
  cursor.y = 30;
  cursor.resource_id = 4;
  cursor.hot_x = 5;
  auto update =
      Decode(Request(Type::kUpdateCursor).With(cursor), 0, QueueKind::kCursor);
  ASSERT_TRUE(update.ok());
  EXPECT_EQ(std::get<UpdateCursor>(*update).resource_id, 4u);
  EXPECT_EQ(std::get<UpdateCursor>(*update).hot_x, 5u);
  auto move =
      Decode(Request(Type::kMoveCursor).With(cursor), 0, QueueKind::kCursor);
  ASSERT_TRUE(move.ok());
  EXPECT_EQ(std::get<MoveCursor>(*move).y, 30u);
}

TEST(CommandHeaderTest, ReadsFlagsAndIgnoresUnknownOnes) {
  wire::CtrlHeader wire = {};
  wire.flags = 0xfffffffe;
  wire.ring_idx = 200;
  const CommandHeader header(wire);
  EXPECT_FALSE(header.fenced());
  EXPECT_TRUE(header.has_ring());
  EXPECT_EQ(header.ring_idx(), 200);
}

}  // namespace
}  // namespace nacre::virtio_gpu
