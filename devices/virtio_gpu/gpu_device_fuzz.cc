// The whole device behind its two queues. The input is a byte for what the
// driver and the host are like, then a list of steps: a request (see
// coded_request.h), or a byte from kEndOfTypes on for what happens besides. The
// host has bad luck, calls into contexts block and return, the driver resets
// the device, breaks a ring. Afterwards the GPU finishes its work, every
// request must have been answered, and a reset must leave nothing.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/display/headless_sink.h"
#include "devices/virtio_gpu/testing/coded_request.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

using wire::Type;

// Bounds of one input, so that it takes milliseconds.
constexpr int kMaxSteps = 200;
constexpr int kMaxCursorRequests = 60;
constexpr int kMaxBlocks = 8;
constexpr int kMaxResets = 3;

// Calls into these contexts may block: fewer than Relay::kMaxThreads.
constexpr uint32_t kMaxBlockedId = 4;
// These hold nothing. Who leads is watched only where there are several.
constexpr uint32_t kBystanders[] = {1000, 1001};
constexpr uint32_t kFirstOfCrowd = 100;
constexpr uint32_t kCrowd = 50;

constexpr uint32_t kLongEntries = 65536;
constexpr int kLongRequests = 6;
// As many are beyond what may wait.
constexpr int kLongRequestsTaken = 4;

VirtioGpu::Config Config() {
  VirtioGpu::Config config = GpuDriver::DefaultConfig();
  config.limits.max_image_dimension = 256;
  config.limits.max_total_image_bytes = 1 << 18;
  config.limits.max_blob_bytes = 1 << 20;
  config.limits.max_contexts = 48;
  config.limits.max_resources = 12;
  config.limits.max_attachments = 44;
  config.limits.max_total_mem_entries = 40;
  config.limits.max_mapped_blobs = 4;
  config.limits.max_mapped_bytes = 1 << 19;
  config.limits.max_scanout_bytes = 1 << 15;
  config.limits.max_pending_fences = 12;
  return config;
}

std::unique_ptr<GpuDriver> Machine(int kind) {
  VirtioGpu::Config config = Config();
  virtio::FakeDriver::Options options;
  switch (kind) {
    case 1:
      options.features &= ~wire::kFeatureContextInit;
      break;
    case 2:
      options.features = 0;
      break;
    case 3:
      config.page_size = kLargestPageSize;
      break;
  }
  auto machine = std::make_unique<GpuDriver>(config, options);
  machine->driver().Reset();
  return machine;
}

class Guest {
 public:
  Guest(GpuDriver& g, std::span<const uint8_t> data) : g_(g), reader_(data) {}

  void Run() {
    Start();
    for (int i = 0; i < kMaxSteps && reader_.remaining() != 0; ++i) {
      const auto selector = reader_.ReadZeroExtended<uint8_t>();
      if (selector < CodedRequest::kEndOfTypes) {
        Submit(CodedRequest::Read(selector, reader_));
      } else {
        Barrier();
        Step(selector - CodedRequest::kEndOfTypes);
      }
      if (g_.driver().needs_reset()) return Reset();
    }
    Drain();
    while (cursor_requests_-- != 0) g_.driver().WaitUsed(wire::kCursorQueue);
    CHECK(!g_.driver().needs_reset());
    CHECK_EQ(UnfinishedFences(), abandoned_fences_);
    Reset();
  }

 private:
  void Submit(const CodedRequest& coded) {
    const uint16_t queue =
        coded.to_cursor_queue ? wire::kCursorQueue : wire::kControlQueue;
    int& requests = coded.to_cursor_queue ? cursor_requests_ : requests_;
    if (coded.to_cursor_queue && requests == kMaxCursorRequests) return;
    ++requests;
    auto chain = g_.driver().queue(queue).Chain();
    for (const auto& part : coded.parts) chain.Readable(part);
    if (coded.room != 0) chain.Writable(coded.room);
    chain.Submit();
  }

  void Step(uint8_t step) {
    FakeGpu& gpu = g_.gpu();
    switch (step % 16) {
      case 0:
        return gpu.FailWith(absl::ResourceExhaustedError("bad luck"));
      case 1:
        return gpu.FailWith(absl::InternalError("bad luck"));
      case 2:
        return gpu.Mend();
      case 3:
        return gpu.FinishAll();
      case 4:
        return gpu.BreakFences();
      case 5:
        return gpu.BreakMemory();
      case 6:
        return Block(1 + Byte() % kMaxBlockedId);
      case 7:
        return Unblock(Byte());
      case 8:
        return Drain();
      case 9:
        return ResetAndStart();
      case 10:
        return UseRegisters();
      case 11:
        return BreakRing();
      case 12:
        return SendLongRequests();
      case 13:
        return Crowd();
      case 14:
        return Configure();
      default:
        if (gpu.fences() != 0) gpu.SignalFence(Byte() % gpu.fences());
    }
  }

  // From now on a call into this context blocks.
  void Block(uint32_t ctx_id) {
    if (blocks_++ == kMaxBlocks) return;
    for (const uint32_t id : kBystanders) {
      if (g_.gpu().contexts().contains(id)) continue;
      Send(CreateContextRequest(id, FakeGpu::kCapsetId));
      Barrier();
      if (!g_.gpu().contexts().contains(id)) return;
    }
    g_.gpu().Block(ctx_id);
    blocking_ = true;
  }
  // For good, or once.
  void Unblock(uint8_t which) {
    const uint32_t ctx_id = 1 + which % kMaxBlockedId;
    if (which >= 128) return g_.gpu().LetOneThrough(ctx_id);
    g_.gpu().Unblock(ctx_id);
  }
  void UnblockAll() {
    for (uint32_t id = 1; id <= kMaxBlockedId; ++id) g_.gpu().Unblock(id);
  }

  void Start() {
    CHECK(g_.driver().Start().ok());
    abandoned_fences_ = UnfinishedFences();
  }
  uint64_t UnfinishedFences() const {
    return g_.stats().fences_created.value() -
           g_.stats().fences_completed.value();
  }
  void Reset() {
    if (blocking_) {
      // While the device waits for the calls, most likely.
      std::thread unblock([this] {
        std::this_thread::yield();
        UnblockAll();
      });
      g_.driver().Reset();
      unblock.join();
    } else {
      g_.driver().Reset();
    }
    blocking_ = false;
    requests_ = answered_ = cursor_requests_ = 0;
  }
  void ResetAndStart() {
    if (resets_++ >= kMaxResets) return;
    Reset();
    Start();
  }

  // What the transport is asked for, and memory of the window.
  void UseRegisters() {
    const uint32_t offset = CodedRequest::ReadWord(reader_);
    std::array<uint8_t, 16> bytes = {};
    const auto data = std::span(bytes).first(Byte() % (bytes.size() + 1));
    g_.device().ReadConfig(offset, data);
    g_.device().WriteConfig(offset, data);
    CHECK_EQ(g_.device().device_id(), wire::kDeviceId);
    ++g_.window()[offset % GpuDriver::DefaultConfig().window_bytes];
  }

  void BreakRing() {
    g_.driver().queue(wire::kControlQueue).SubmitHead(0xffff);
    g_.driver().KickAnyway(wire::kControlQueue);
    g_.driver().WaitNeedsReset();
    if (Byte() % 2 == 0) UnblockAll();
  }

  // More than may wait for a context, and many short ones behind them.
  void SendLongRequests() {
    const auto resource = Byte();
    const int bursts = Byte() % 64;
    if (std::exchange(has_sent_long_, true)) return;
    Request attach(Type::kResourceAttachBacking);
    attach.With(wire::ResourceAttachBacking{resource, kLongEntries});
    attach.WithBytes(std::vector<uint8_t>(kLongEntries * sizeof(wire::MemEntry),
                                          uint8_t{1}));
    const auto taken = [this] {
      return g_.stats().parked_commands.value() +
             g_.driver().queue(wire::kControlQueue).used_index();
    };
    const uint64_t before = taken();
    for (int i = 0; i < kLongRequests; ++i) Send(attach);
    g_.Kick();
    while (taken() - before < kLongRequestsTaken) std::this_thread::yield();
    Drain();
    for (int i = 0; i < bursts; ++i) {
      for (int j = 0; j < 128; ++j) Send(Request(Type::kGetDisplayInfo));
      Barrier();
    }
  }

  // Many contexts that share a resource.
  void Crowd() {
    const uint32_t resource = Byte();
    if (std::exchange(has_crowd_, true)) return;
    for (uint32_t id = kFirstOfCrowd; id < kFirstOfCrowd + kCrowd; ++id) {
      Send(CreateContextRequest(id, FakeGpu::kCapsetId));
      Send(Request(Type::kCtxAttachResource)
               .Context(id)
               .With(wire::ResourceId{resource, 0}));
    }
  }

  // Another device, of whatever an embedder says.
  void Configure() {
    VirtioGpu::Config config = Config();
    config.num_scanouts = CodedRequest::ReadWord(reader_);
    config.width = CodedRequest::ReadWord(reader_);
    config.height = CodedRequest::ReadWord(reader_);
    config.window_bytes = CodedRequest::ReadWord(reader_);
    config.page_size = CodedRequest::ReadWord(reader_);
    const auto parts = Byte();
    std::vector<std::unique_ptr<ContextType>> types(parts % 4);
    for (auto& type : types) type = g_.gpu().CreateType();
    auto sink = parts < 128 ? std::make_unique<HeadlessSink>() : nullptr;
    const auto device =
        VirtioGpu::Create(config, std::move(types), std::move(sink));
    if (!device.ok()) return;
    CHECK_LE(config.num_scanouts, wire::kMaxScanouts);
    CHECK_EQ((*device)->shared_memory_regions().empty(),
             config.window_bytes == 0);
  }

  uint8_t Byte() { return reader_.ReadZeroExtended<uint8_t>(); }

  uint16_t Send(const Request& request) {
    ++requests_;
    return g_.Submit(request);
  }
  uint16_t Wait() {
    ++answered_;
    return g_.driver().WaitUsed(wire::kControlQueue).head;
  }
  // Behind what has been submitted, so that the same happens every time: all of
  // it is executed, in a call that blocks, or waits for one.
  void Barrier() {
    const uint16_t barrier = Send(Request(Type::kGetDisplayInfo));
    g_.Kick();
    while (Wait() != barrier) {
    }
  }
  // Until all is answered.
  void Drain() {
    g_.gpu().FinishAtOnce(true);
    g_.gpu().FinishAll();
    UnblockAll();
    blocking_ = false;
    g_.Kick();
    g_.driver().Kick(wire::kCursorQueue);
    while (answered_ < requests_) Wait();
    g_.gpu().FinishAtOnce(false);
  }

  GpuDriver& g_;
  ByteReader reader_;
  int requests_ = 0;  // Of the control queue.
  int answered_ = 0;
  int cursor_requests_ = 0;
  uint64_t abandoned_fences_ = 0;  // By earlier resets.
  int blocks_ = 0;
  int resets_ = 0;
  bool blocking_ = false;  // Calls may block, since the last Drain.
  bool has_sent_long_ = false;
  bool has_crowd_ = false;
};

void Fuzz(std::span<const uint8_t> data) {
  if (data.empty()) return;
  // New ones now and then: the fake driver never frees its rings.
  static std::array<std::unique_ptr<GpuDriver>, 4> machines;
  static int runs = 0;
  if (runs++ % 500 == 0) machines = {};
  const size_t kind = data.front() % machines.size();
  std::unique_ptr<GpuDriver>& g = machines[kind];
  if (g == nullptr) g = Machine(static_cast<int>(kind));
  Guest(*g, data.subspan(1)).Run();

  g->gpu().FinishAll();
  g->gpu().Mend();
  CHECK(g->gpu().contexts().empty());
  CHECK_EQ(g->gpu().live_blobs(), 0);
  CHECK_EQ(g->stats().contexts.value(), 0u);
  CHECK_EQ(g->stats().resources.value(), 0u);
  CHECK_EQ(g->stats().fences_pending.value(), 0u);
  CHECK_EQ(g->stats().mapped_bytes.value(), 0u);
}

}  // namespace
}  // namespace nacre::virtio_gpu

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nacre::virtio_gpu::Fuzz({data, size});
  return 0;
}
