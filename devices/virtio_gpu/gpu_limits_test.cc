#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "base/testing/allocations.h"
#include "devices/virtio/testing/fake_driver.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"
#include "gtest/gtest.h"

// Guests that ask for more than VirtioGpu::Limits give: an error, nothing is
// made, and what one gave back another gets.
namespace nacre::virtio_gpu {
namespace {

using wire::Type;

constexpr uint64_t kPage = kLargestPageSize;

Request Create2d(uint32_t id, uint32_t width, uint32_t height) {
  return Request(Type::kResourceCreate2d)
      .With(wire::ResourceCreate2d{id, 1, width, height});
}

VirtioGpu::Config SmallConfig() {
  VirtioGpu::Config config = GpuDriver::DefaultConfig();
  config.limits.max_resources = 4;
  config.limits.max_contexts = 3;
  config.limits.max_attachments = 5;
  config.limits.max_mem_entries = 4;
  config.limits.max_total_mem_entries = 6;
  config.limits.max_submit_bytes = 256;
  config.limits.max_blob_bytes = 16 * kPage;
  config.limits.max_total_image_bytes = uint64_t{64} * 64 * 4;
  config.limits.max_mapped_blobs = 2;
  return config;
}

// Nor is there memory for the 64 GiB that it says it has.
TEST(GpuLimitsTest, AnEndlessRequestIsNotCopied) {
  constexpr uint32_t kSize = 16 << 20;
  constexpr int64_t kMaxAllocation = 1 << 20;
  GpuDriver g(SmallConfig());
  g.CreateContext(1);
  ASSERT_EQ(g.Call(Create2d(1, 1, 1)), Type::kOkNodata);
  auto& ram = g.driver().ram();
  const uint64_t big = ram.Allocate(kSize);
  const auto call = [&](const Request& request) {
    ram.Write(big, request.bytes());
    g.driver()
        .queue(wire::kControlQueue)
        .Chain()
        .Range(big, kSize, false)
        .Writable(sizeof(wire::CtrlHeader))
        .Submit();
    g.Kick();
    const auto used = g.driver().WaitUsed(wire::kControlQueue);
    return static_cast<Type>(
        ByteReader(used.response).ReadZeroExtended<wire::CtrlHeader>().type);
  };
  const int64_t held = HeapBytes();
  TakeLargestAllocation();
  EXPECT_EQ(call(Request(Type::kGetDisplayInfo)), Type::kOkDisplayInfo);
  // Of entries: as many as are there; 16 bytes, in 32 bits; the most to say.
  for (const uint32_t count : {0x000ff000u, 0x10000001u, 0xffffffffu}) {
    EXPECT_EQ(
        call(
            Request(Type::kSubmit3d).Context(1).With(wire::Submit3d{count, 0})),
        Type::kErrOutOfMemory);
    EXPECT_EQ(call(Request(Type::kResourceAttachBacking)
                       .With(wire::ResourceAttachBacking{1, count})),
              Type::kErrOutOfMemory);
    for (const auto mem :
         {wire::BlobMem::kGuest, wire::BlobMem::kHost3dGuest}) {
      wire::ResourceCreateBlob blob = {};
      blob.resource_id = 2;
      blob.blob_mem = static_cast<uint32_t>(mem);
      blob.nr_entries = count;
      blob.size = kPage;
      EXPECT_EQ(call(Request(Type::kResourceCreateBlob).Context(1).With(blob)),
                Type::kErrOutOfMemory);
    }
  }
  EXPECT_LE(TakeLargestAllocation(), kMaxAllocation);
  EXPECT_LE(HeapBytes() - held, kMaxAllocation);
  EXPECT_EQ(g.stats().resources.value(), 1u);
  EXPECT_EQ(g.gpu().live_blobs(), 0);
}

TEST(GpuLimitsTest, CapsResources) {
  GpuDriver g(SmallConfig());
  for (uint32_t id = 1; id <= 4; ++id) {
    EXPECT_EQ(g.Call(Create2d(id, 1, 1)), Type::kOkNodata);
  }
  EXPECT_EQ(g.Call(Create2d(5, 1, 1)), Type::kErrOutOfMemory);
  g.CreateContext(1);
  EXPECT_EQ(g.Call(HostBlobRequest(1, 5, kPage)), Type::kErrOutOfMemory);
  EXPECT_EQ(g.gpu().live_blobs(), 0);
  EXPECT_EQ(g.Call(ResourceRequest(Type::kResourceUnref, 2)), Type::kOkNodata);
  EXPECT_EQ(g.Call(Create2d(5, 1, 1)), Type::kOkNodata);
}

TEST(GpuLimitsTest, CapsThePixelsOf2dResources) {
  GpuDriver g(SmallConfig());
  EXPECT_EQ(g.Call(Create2d(1, 64, 65)), Type::kErrOutOfMemory);
  EXPECT_EQ(g.Call(Create2d(1, 16384, 16384)), Type::kErrOutOfMemory);
  EXPECT_EQ(g.Call(Create2d(1, 64, 64)), Type::kOkNodata);
  EXPECT_EQ(g.Call(Create2d(2, 1, 1)), Type::kErrOutOfMemory);
  EXPECT_EQ(g.Call(ResourceRequest(Type::kResourceUnref, 1)), Type::kOkNodata);
  EXPECT_EQ(g.Call(Create2d(2, 1, 1)), Type::kOkNodata);
}

// In 32 bits 0x8000 x 0x8000 pixels have 0 bytes; in 64, the last of these.
TEST(GpuLimitsTest, RefusesPixelsWhoseBytesWrapAround) {
  struct Size {
    uint32_t width;
    uint32_t height;
  };
  constexpr Size kSizes[] = {{0x8000, 0x8000},
                             {0x8000, 0x8001},
                             {0x8001, 0x8000},
                             {0xffffffff, 0xffffffff},
                             {0x80000000, 0x80000000}};
  VirtioGpu::Config config = SmallConfig();
  GpuDriver g(config);
  // A side is too long...
  for (const Size& size : kSizes) {
    EXPECT_EQ(g.Call(Create2d(1, size.width, size.height)),
              Type::kErrInvalidParameter);
  }
  // ... or, where it may be, there are too many pixels.
  config.limits.max_image_dimension = 0x10000;
  GpuDriver wide(config);
  for (const Size& size : std::span(kSizes).first(3)) {
    EXPECT_EQ(wide.Call(Create2d(1, size.width, size.height)),
              Type::kErrOutOfMemory);
  }
  for (GpuDriver* driver : {&g, &wide}) {
    EXPECT_EQ(driver->stats().resources.value(), 0u);
    EXPECT_EQ(driver->stats().image_bytes.value(), 0u);
    EXPECT_EQ(driver->Call(Create2d(1, 64, 64)), Type::kOkNodata);
  }
}

TEST(GpuLimitsTest, CapsTheSidesOfImages) {
  VirtioGpu::Config config = SmallConfig();
  config.limits.max_image_dimension = 32;
  GpuDriver g(config);
  EXPECT_EQ(g.Call(Create2d(1, 33, 1)), Type::kErrInvalidParameter);
  EXPECT_EQ(g.Call(Create2d(1, 1, 33)), Type::kErrInvalidParameter);
  EXPECT_EQ(g.Call(Create2d(1, 32, 32)), Type::kOkNodata);
  g.CreateContext(1);
  g.CreateHostBlob(1, 2, kPage);
  const auto show = [&](uint32_t width, uint32_t height) {
    wire::SetScanoutBlob s = {};
    s.r = {0, 0, 1, 1};
    s.resource_id = 2;
    s.width = width;
    s.height = height;
    s.format = 1;
    s.strides[0] = 256;
    return g.Call(Request(Type::kSetScanoutBlob).With(s));
  };
  EXPECT_EQ(show(33, 1), Type::kErrInvalidParameter);
  EXPECT_EQ(show(1, 33), Type::kErrInvalidParameter);
  EXPECT_EQ(show(32, 32), Type::kOkNodata);
}

TEST(GpuLimitsTest, CapsWhatAScanoutShows) {
  VirtioGpu::Config config = SmallConfig();
  config.limits.max_total_image_bytes = uint64_t{64} << 20;
  config.limits.max_scanout_bytes = uint64_t{64} * 64 * 4;
  GpuDriver g(config);
  ASSERT_EQ(g.Call(Create2d(1, 128, 128)), Type::kOkNodata);
  const auto show = [&](uint32_t width, uint32_t height) {
    return g.Call(
        Request(Type::kSetScanout)
            .With(wire::SetScanout{{0, 0, width, height}, 0, /*id=*/1}));
  };
  EXPECT_EQ(show(64, 64), Type::kOkNodata);
  EXPECT_EQ(show(64, 65), Type::kErrOutOfMemory);
  EXPECT_EQ(show(128, 128), Type::kErrOutOfMemory);
  EXPECT_EQ(show(128, 32), Type::kOkNodata);
}

TEST(GpuLimitsTest, CapsContextsAndAttachments) {
  GpuDriver g(SmallConfig());
  for (uint32_t id = 1; id <= 3; ++id) g.CreateContext(id);
  EXPECT_EQ(g.Call(CreateContextRequest(4, FakeGpu::kCapsetId)),
            Type::kErrOutOfMemory);
  const auto attach = [&](uint32_t ctx_id, uint32_t resource_id) {
    return g.Call(
        ResourceRequest(Type::kCtxAttachResource, resource_id).Context(ctx_id));
  };
  for (uint32_t id = 1; id <= 2; ++id) {
    ASSERT_EQ(g.Call(Create2d(id, 1, 1)), Type::kOkNodata);
    for (uint32_t ctx = 1; ctx <= 3; ++ctx) {
      EXPECT_EQ(attach(ctx, id), ctx + 3 * (id - 1) <= 5
                                     ? Type::kOkNodata
                                     : Type::kErrOutOfMemory);
    }
  }
  ASSERT_EQ(g.Call(Request(Type::kCtxDestroy).Context(1)), Type::kOkNodata);
  EXPECT_EQ(attach(3, 2), Type::kOkNodata);
}

// Nor do they take room where they no longer are.
TEST(GpuLimitsTest, DetachedResourcesLeaveNothingBehind) {
  constexpr uint32_t kMany = 128;
  constexpr int64_t kMaxBytes = 128;  // Of each context and resource.
  VirtioGpu::Config config = SmallConfig();
  config.limits.max_contexts = config.limits.max_resources = kMany;
  config.limits.max_attachments = kMany * kMany;
  GpuDriver g(config);
  for (uint32_t id = 1; id <= kMany; ++id) {
    g.CreateContext(id);
    ASSERT_EQ(g.Call(Create2d(id, 1, 1)), Type::kOkNodata);
  }
  const auto call_all = [&g](Type type) {
    for (uint32_t context = 1; context <= kMany; ++context) {
      for (uint32_t id = 1; id <= kMany; ++id) {
        ASSERT_EQ(g.Call(ResourceRequest(type, id).Context(context)),
                  Type::kOkNodata);
      }
    }
  };
  const int64_t held = HeapBytes();
  call_all(Type::kCtxAttachResource);
  call_all(Type::kCtxDetachResource);
  EXPECT_LE(HeapBytes() - held, 2 * kMany * kMaxBytes);
}

TEST(GpuLimitsTest, CapsMemoryEntriesOfOneAndOfAll) {
  GpuDriver g(SmallConfig());
  const uint64_t page = g.driver().ram().Allocate(kPage);
  const auto attach = [&](uint32_t id, uint32_t count) {
    Request request(Type::kResourceAttachBacking);
    request.With(wire::ResourceAttachBacking{id, count});
    // Pieces that do not touch.
    for (uint32_t i = 0; i < count; ++i) {
      request.With(wire::MemEntry{page + uint64_t{i} * 16, 8, 0});
    }
    return g.Call(request);
  };
  for (uint32_t id = 1; id <= 2; ++id) {
    ASSERT_EQ(g.Call(Create2d(id, 1, 1)), Type::kOkNodata);
  }
  EXPECT_EQ(attach(1, 5), Type::kErrOutOfMemory);
  EXPECT_EQ(attach(1, 4), Type::kOkNodata);
  EXPECT_EQ(attach(2, 3), Type::kErrOutOfMemory);
  EXPECT_EQ(attach(2, 2), Type::kOkNodata);
  EXPECT_EQ(g.Call(ResourceRequest(Type::kResourceUnref, 1)), Type::kOkNodata);
  EXPECT_EQ(g.Call(ResourceRequest(Type::kResourceDetachBacking, 2)),
            Type::kOkNodata);
  EXPECT_EQ(attach(2, 4), Type::kOkNodata);
}

TEST(GpuLimitsTest, CapsSubmissionsBlobsAndMappings) {
  GpuDriver g(SmallConfig());
  g.CreateContext(1);
  const std::vector<uint8_t> nops(256);
  EXPECT_EQ(g.Call(SubmitRequest(1, nops)), Type::kOkNodata);
  const std::vector<uint8_t> more(257);
  EXPECT_EQ(g.Call(SubmitRequest(1, more)), Type::kErrOutOfMemory);
  EXPECT_EQ(g.Call(HostBlobRequest(1, 1, 17 * kPage)),
            Type::kErrInvalidParameter);
  for (uint32_t id = 1; id <= 3; ++id) {
    g.CreateHostBlob(1, id, kPage);
    EXPECT_EQ(g.Call(MapRequest(id, id * kPage)),
              id <= 2 ? Type::kOkMapInfo : Type::kErrOutOfMemory);
  }
}

// Counts the lines of the log.
class CountingSink final : public google::LogSink {
 public:
  CountingSink() { google::AddLogSink(this); }
  ~CountingSink() override { google::RemoveLogSink(this); }
  // glog's own lock is held.
  void send(google::LogSeverity, const char*, const char*, int, const tm*,
            const char*, size_t) override {
    ++lines_;
  }
  int lines() const { return lines_.load(); }

 private:
  std::atomic<int> lines_{0};
};

TEST(GpuLimitsTest, CapsLinesOfTheLog) {
  constexpr int kErrors = 1000;
  for (const uint32_t limit : {0u, 3u}) {
    VirtioGpu::Config config = SmallConfig();
    config.limits.log_lines_per_second = limit;
    GpuDriver g(config);
    const CountingSink sink;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kErrors; ++i) {
      EXPECT_EQ(g.Call(Create2d(0, 1, 1)), Type::kErrInvalidResourceId);
    }
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(
        std::chrono::steady_clock::now() - start);
    // And the one that says that no more follow.
    const uint32_t a_second = limit == 0 ? 0 : limit + 1;
    EXPECT_LE(sink.lines(), (seconds.count() + 1) * a_second);
    EXPECT_GE(sink.lines(), limit == 0 ? 0 : 1);
    EXPECT_EQ(g.stats().errors(Type::kErrInvalidResourceId).value(),
              uint64_t{kErrors});
  }
}

}  // namespace
}  // namespace nacre::virtio_gpu
