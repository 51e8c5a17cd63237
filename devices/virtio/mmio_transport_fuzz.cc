// A guest that accesses the registers and queues of a virtio MMIO device in any
// order. The input is a sequence of accesses, each a byte that says which and
// the values it takes; see the switch.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio/common_config.h"
#include "devices/virtio/mmio_transport.h"
#include "devices/virtio/split_ring.h"
#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/testing/stepped_device.h"
#include "glog/logging.h"
#include "vmm/irq_line.h"
#include "vmm/pci/testing/fake_hypervisor.h"

namespace nacre::virtio {
namespace {

constexpr uint64_t kRegionAddress = 0x40'0000'0000;

class CountingIrq : public vmm::IrqLine {
 public:
  void Trigger() override { ++count_; }
  uint64_t count() const { return count_; }

 private:
  uint64_t count_ = 0;
};

class Guest {
 public:
  explicit Guest(ByteReader input) : input_(input) {}

  void Run() {
    while (input_.remaining() > 0) {
      Step(Byte());
      // 4.2.2: two causes of an interrupt there are.
      CHECK_EQ(Read(0x060) & ~3u, 0u);
      if (Read(0x060) != 0) CHECK_GT(irq_.count(), 0u);
    }
    transport_->Reset();
    CHECK_EQ(Read(0x070), 0u);
    CHECK_LE(transport_->stats().needs_reset, transport_->stats().resets);
    transport_.reset();
    CHECK(windows_.windows().empty());
  }

 private:
  void Step(uint8_t step) {
    std::array<uint8_t, 8> data = {};
    const std::span<uint8_t> bytes =
        std::span(data).first(size_t{1} << (step >> 4 & 3));
    switch (step & 7) {
      case 0:  // Anywhere.
        return transport_->Read(Word() % MmioTransport::kSize, bytes);
      case 1: {
        const uint64_t offset = Word() % MmioTransport::kSize;
        data = input_.ReadZeroExtended<std::array<uint8_t, 8>>();
        return transport_->Write(offset, bytes);
      }
      case 2:  // One of the registers.
        Read(Byte() % 64 * 4);
        return;
      case 3: {
        const uint64_t offset = Byte() % 64 * 4;
        return Write(offset, Byte());
      }
      case 4:
        return Start(step);
      case 5:
        FillQueue(step);
        device_.Step();
        return device_.Relay();
      case 6:
        return Write(0x050, Byte());
      default:
        if (step >> 3 == 0) transport_->Reset();
        return;
    }
  }

  // All that a driver does to begin.
  void Start(uint8_t step) {
    const uint64_t features =
        kFeatureVersion1 | ((step & 8) != 0 ? kRingFeatures : 0) |
        ((step & 0x10) != 0 ? SteppedDevice::kFeatureEvents : 0);
    Write(0x070, 0);
    Write(0x070, kStatusAcknowledge | kStatusDriver);
    Write(0x024, 1);
    Write(0x020, features >> 32);
    Write(0x024, 0);
    Write(0x020, features);
    constexpr uint8_t kReady =
        kStatusAcknowledge | kStatusDriver | kStatusFeaturesOk;
    Write(0x070, kReady);
    for (uint16_t i = 0; i < SteppedDevice::kQueues; ++i) {
      Write(0x030, i);
      if (!queues_[i].has_value()) {
        queues_[i].emplace(
            &ram_,
            FakeQueue::Options{.size = static_cast<uint16_t>(Read(0x034))});
      }
      const QueueLayout& layout = queues_[i]->layout();
      Write(0x038, layout.size);
      Write(0x080, layout.descriptor_table);
      Write(0x084, layout.descriptor_table >> 32);
      Write(0x090, layout.available_ring);
      Write(0x094, layout.available_ring >> 32);
      Write(0x0a0, layout.used_ring);
      Write(0x0a4, layout.used_ring >> 32);
      Write(0x044, 1);
    }
    Write(0x070, kReady | kStatusDriverOk);
  }

  // By the two highest bits of `step`: a chain made available as it should be,
  // or more than there is.
  void FillQueue(uint8_t step) {
    std::optional<FakeQueue>& queue = queues_[step >> 3 & 1];
    if (!queue.has_value()) return;
    if ((step & 0x40) != 0 && queue->free_descriptors() > 2) {
      static constexpr std::array<uint8_t, 16> kRequest = {};
      queue->Chain().Readable(kRequest).Writable(8).Submit();
    }
    if ((step & 0x80) != 0) queue->WriteAvailableIndex(Word());
  }

  uint8_t Byte() { return input_.ReadZeroExtended<uint8_t>(); }
  uint16_t Word() { return input_.ReadZeroExtended<uint16_t>(); }
  uint32_t Read(uint64_t offset) {
    uint32_t value = 0;
    transport_->Read(offset, AsWritableBytes(value));
    return value;
  }
  void Write(uint64_t offset, uint64_t value) {
    transport_->Write(offset, AsBytes(static_cast<uint32_t>(value)));
  }

  static constexpr uint64_t kRingFeatures =
      kFeatureEventIdx | kFeatureIndirectDesc;

  ByteReader input_;
  std::vector<uint8_t> region_ = std::vector<uint8_t>(0x1000);
  SteppedDevice device_{region_};
  GuestRam ram_;
  vmm::FakeMemoryWindows windows_;
  CountingIrq irq_;
  std::unique_ptr<MmioTransport> transport_ =
      MmioTransport::Create(
          &device_, {&kRegionAddress, 1},
          {.memory = &ram_.memory(), .memory_windows = &windows_, .irq = &irq_})
          .value();
  std::array<std::optional<FakeQueue>, SteppedDevice::kQueues> queues_;
};

}  // namespace
}  // namespace nacre::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  nacre::virtio::Guest(nacre::ByteReader({data, size})).Run();
  return 0;
}
