// A driver that writes anything into its rings, step by step, and a device that
// serves it. The input is a sequence of steps, each a byte that says which and
// the values it takes; see the switch.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio/split_ring.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/virtqueue.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

constexpr uint64_t kRamBytes = uint64_t{1} << 20;
constexpr uint64_t kTable = GuestRam::kBase;
constexpr uint64_t kAvailable = kTable + 0x1000;
constexpr uint64_t kUsed = kTable + 0x2000;
constexpr uint64_t kIndirect = kTable + 0x3000;
constexpr uint64_t kRingBytes = 0x4000;

// Most values near what makes sense, so that a fuzzer gets past the first
// check; the others anything.
uint64_t TakeAddress(ByteReader& input) {
  const auto value = input.ReadZeroExtended<uint16_t>();
  if ((value & 0x8000) != 0) return input.ReadZeroExtended<uint64_t>();
  return GuestRam::kBase + value * uint64_t{64};  // To twice the size of RAM.
}

Descriptor TakeDescriptor(ByteReader& input) {
  Descriptor descriptor;
  descriptor.address = TakeAddress(input);
  descriptor.length = input.ReadZeroExtended<uint8_t>();
  if (descriptor.length == 0xff) {
    descriptor.length = input.ReadZeroExtended<uint32_t>();
  }
  descriptor.flags = input.ReadZeroExtended<uint8_t>();
  descriptor.next = input.ReadZeroExtended<uint8_t>();
  if (descriptor.next == 0xff) {
    descriptor.next = input.ReadZeroExtended<uint16_t>();
  }
  return descriptor;
}

// Uses a chain as a device does, and checks what it was promised.
void Serve(DescriptorChain& chain) {
  CHECK_LE(chain.readable_size() + chain.writable_size(), kMaxChainBytes);
  std::vector<uint8_t> bytes(
      std::min<uint64_t>(chain.readable_size(), 0x1'0000));
  const size_t half = bytes.size() / 2;
  CHECK(chain.Read(std::span(bytes).first(half)).ok());
  CHECK(chain.Read(std::span(bytes).subspan(half)).ok());
  if (bytes.size() == chain.readable_size()) {
    std::array<uint8_t, 1> one;
    CHECK(!chain.Read(one).ok());
  }
  bytes.resize(std::min<uint64_t>(chain.writable_size(), 0x1'0000), 0x5a);
  CHECK(chain.Write(bytes).ok());
  CHECK_EQ(chain.bytes_written(), bytes.size());
  if (bytes.size() == chain.writable_size()) {
    CHECK(!chain.Write(std::array<uint8_t, 1>{}).ok());
    CHECK_EQ(chain.bytes_written(), bytes.size());
  }
}

void Run(ByteReader input) {
  static GuestRam* const ram = new GuestRam(kRamBytes);
  ram->Write(GuestRam::kBase, std::vector<uint8_t>(kRingBytes));
  const auto options = input.ReadZeroExtended<uint8_t>();
  QueueLayout layout = {.size = static_cast<uint16_t>(1u << (options & 7)),
                        .descriptor_table = kTable,
                        .available_ring = kAvailable,
                        .used_ring = kUsed,
                        .event_index = (options & 0x08) != 0,
                        .indirect = (options & 0x10) != 0};
  if ((options & 0x20) != 0) layout.descriptor_table = TakeAddress(input);
  if ((options & 0x40) != 0) layout.available_ring = TakeAddress(input);
  if ((options & 0x80) != 0) layout.used_ring = TakeAddress(input);
  absl::StatusOr<Virtqueue> created = Virtqueue::Create(&ram->memory(), layout);
  if (!created.ok()) return;
  Virtqueue queue = *std::move(created);
  std::vector<DescriptorChain> kept;
  while (input.remaining() > 0) {
    switch (input.ReadZeroExtended<uint8_t>() % 10) {
      case 0: {
        const uint64_t index = input.ReadZeroExtended<uint8_t>();
        ram->WriteValue(kTable + (index & 0x7f) * sizeof(Descriptor),
                        TakeDescriptor(input));
        break;
      }
      case 1: {
        const uint64_t index = input.ReadZeroExtended<uint8_t>();
        ram->WriteValue(kIndirect + (index & 0x7f) * sizeof(Descriptor),
                        TakeDescriptor(input));
        break;
      }
      case 2: {  // A descriptor for the indirect table.
        const uint64_t index = input.ReadZeroExtended<uint8_t>();
        const auto entries = input.ReadZeroExtended<uint8_t>();
        ram->WriteValue(
            kTable + (index & 0x7f) * sizeof(Descriptor),
            Descriptor{kIndirect, entries * uint32_t{sizeof(Descriptor)},
                       kDescriptorIndirect, 0});
        break;
      }
      case 3: {  // Makes a head available as a driver should.
        const auto head = input.ReadZeroExtended<uint8_t>();
        const auto index =
            ram->ReadValue<uint16_t>(kAvailable + kRingIndexOffset);
        ram->WriteValue<uint16_t>(kAvailable + kRingEntriesOffset +
                                      (index & (layout.size - 1)) * uint64_t{2},
                                  head);
        ram->WriteValue<uint16_t>(kAvailable + kRingIndexOffset,
                                  static_cast<uint16_t>(index + 1));
        break;
      }
      case 4: {  // Anything into the rings.
        const auto offset = input.ReadZeroExtended<uint16_t>();
        ram->WriteValue(kTable + offset % (kRingBytes - 1),
                        input.ReadZeroExtended<uint16_t>());
        break;
      }
      case 5:
      case 6: {
        absl::StatusOr<std::optional<DescriptorChain>> popped = queue.Pop();
        if (!popped.ok() || !popped->has_value()) break;
        Serve(**popped);
        kept.push_back(**std::move(popped));
        CHECK_EQ(queue.in_flight(), kept.size());
        CHECK_LE(kept.size(), queue.size());
        break;
      }
      case 7:
      case 8: {
        if (kept.empty()) break;
        const size_t which = input.ReadZeroExtended<uint8_t>() % kept.size();
        queue.Complete(std::move(kept[which]));
        kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(which));
        break;
      }
      case 9:
        queue.DisableKicks();
        queue.EnableKicks();
        queue.NeedsInterrupt();
        break;
    }
  }
  for (DescriptorChain& chain : kept) std::move(chain).Abandon();
}

}  // namespace
}  // namespace nacre::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nacre::virtio::Run(nacre::ByteReader({data, size}));
  return 0;
}
