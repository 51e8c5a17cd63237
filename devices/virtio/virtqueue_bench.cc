// What a command costs before the device has looked at it: pop, read, write the
// answer, complete.

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "devices/virtio/split_ring.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/virtqueue.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

constexpr uint16_t kSize = 256;
constexpr uint32_t kCommandBytes = 96;
constexpr uint32_t kResponseBytes = 24;

// The cheapest driver: one chain, prepared once, made available again and
// again.
class Ring {
 public:
  explicit Ring(bool indirect, const std::vector<uint32_t>& payload) {
    std::vector<Descriptor> chain;
    const auto add = [&](uint32_t length, uint16_t flags) {
      chain.push_back({ram_.Allocate(length), length, flags,
                       static_cast<uint16_t>(chain.size() + 1)});
    };
    add(kCommandBytes, kDescriptorNext);
    for (const uint32_t length : payload) add(length, kDescriptorNext);
    add(kResponseBytes, kDescriptorWrite);
    const std::span<const uint8_t> bytes(
        reinterpret_cast<const uint8_t*>(chain.data()),
        chain.size() * sizeof(Descriptor));
    if (indirect) {
      ram_.WriteValue(
          layout_.descriptor_table,
          Descriptor{ram_.Store(bytes), static_cast<uint32_t>(bytes.size()),
                     kDescriptorIndirect, 0});
    } else {
      ram_.Write(layout_.descriptor_table, bytes);
    }
  }

  Virtqueue CreateQueue() {
    return *Virtqueue::Create(&ram_.memory(), layout_);
  }
  void MakeAvailable(uint16_t count) {
    index_ = static_cast<uint16_t>(index_ + count);
    CHECK(ram_.memory()
              .StoreRelease16(layout_.available_ring + kRingIndexOffset, index_)
              .ok());
  }

 private:
  GuestRam ram_;
  QueueLayout layout_ = {
      .size = kSize,
      .descriptor_table = ram_.Allocate(DescriptorTableSize(kSize)),
      .available_ring = ram_.Allocate(AvailableRingSize(kSize)),
      .used_ring = ram_.Allocate(UsedRingSize(kSize)),
      .event_index = true,
      .indirect = true};
  uint16_t index_ = 0;
};

void Serve(benchmark::State& state, bool indirect,
           const std::vector<uint32_t>& payload) {
  Ring ring(indirect, payload);
  Virtqueue queue = ring.CreateQueue();
  std::vector<uint8_t> request;
  const std::array<uint8_t, kResponseBytes> response = {};
  uint64_t bytes = 0;
  constexpr uint16_t kBatch = 16;
  for ([[maybe_unused]] auto _ : state) {
    ring.MakeAvailable(kBatch);
    for (uint16_t i = 0; i < kBatch; ++i) {
      DescriptorChain chain = **queue.Pop();
      request.resize(chain.readable_size());
      CHECK(chain.Read(request).ok());
      CHECK(chain.Write(response).ok());
      bytes += request.size();
      queue.Complete(std::move(chain));
    }
    benchmark::DoNotOptimize(queue.EnableKicks());
    benchmark::DoNotOptimize(queue.NeedsInterrupt());
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}

void BM_Command(benchmark::State& state) { Serve(state, true, {}); }
void BM_CommandDirect(benchmark::State& state) { Serve(state, false, {}); }
void BM_SmallSubmit(benchmark::State& state) { Serve(state, true, {512}); }
// A command stream of 64 KiB in pages, as Linux sends vmalloc memory.
void BM_LargeSubmit(benchmark::State& state) {
  Serve(state, true, std::vector<uint32_t>(16, 4096));
}

BENCHMARK(BM_Command);
BENCHMARK(BM_CommandDirect);
BENCHMARK(BM_SmallSubmit);
BENCHMARK(BM_LargeSubmit);

}  // namespace
}  // namespace nacre::virtio

BENCHMARK_MAIN();
