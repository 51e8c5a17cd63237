#ifndef NACRE_DEVICES_VIRTIO_TESTING_FAKE_QUEUE_H_
#define NACRE_DEVICES_VIRTIO_TESTING_FAKE_QUEUE_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "devices/virtio/split_ring.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/virtqueue.h"

namespace nacre::virtio {

// What the device gave back.
struct UsedChain {
  uint16_t head = 0;     // What Submit returned.
  uint32_t written = 0;  // The device's count.
  // The first `written` bytes of the writable parts, as one stream.
  std::vector<uint8_t> response;
};

// The driver's side of one split virtqueue in real guest memory, correct by
// default and malicious on request. Not thread-safe, but the device may work on
// the queue from its own thread at the same time.
//
//   uint16_t head = queue.Chain().Readable(AsBytes(command)).Writable(24)
//                       .Submit();
//   ... the device works ...
//   std::optional<UsedChain> used = queue.PopUsed();
//
// Buffers of a chain are freed for reuse by PopUsed.
class FakeQueue {
 public:
  struct Options {
    uint16_t size = 64;
    bool event_index = true;
    // Whether chains of more than one descriptor go into indirect tables, as
    // Linux does. A chain can override it.
    bool indirect = true;
  };

  FakeQueue(GuestRam* ram, const Options& options);

  // For Virtqueue::Create.
  const QueueLayout& layout() const { return layout_; }

  class ChainBuilder {
   public:
    // A readable descriptor with these bytes in it.
    ChainBuilder& Readable(std::span<const uint8_t> bytes);
    // The same bytes cut into several descriptors: one ends at each of `cuts`,
    // ascending offsets; the last at the end.
    ChainBuilder& ReadableCut(std::span<const uint8_t> bytes,
                              std::initializer_list<size_t> cuts);
    // A writable descriptor with room for `size` bytes.
    ChainBuilder& Writable(uint32_t size);
    // A descriptor as it stands, over memory of the caller's: any address, any
    // length.
    ChainBuilder& Range(uint64_t address, uint32_t length, bool writable);
    ChainBuilder& Indirect(bool indirect);

    // Writes the descriptors and makes the chain available. Does not kick.
    // Returns the head's index, by which PopUsed names the chain. CHECKs that
    // the queue has room.
    uint16_t Submit();

   private:
    friend class FakeQueue;
    struct Part {
      uint64_t address;
      uint32_t length;
      bool writable;
      bool owned;
    };
    explicit ChainBuilder(FakeQueue* queue);
    FakeQueue* queue_;
    bool indirect_;
    std::vector<Part> parts_;
  };

  ChainBuilder Chain() { return ChainBuilder(this); }

  // Whether the driver must kick for what was submitted since the last call
  // (virtio 1.x, 2.7.10).
  bool NeedsKick();

  // The next chain that the device has completed, in its order. CHECKs that the
  // device named a chain that is out, with a length that fits.
  std::optional<UsedChain> PopUsed();
  // As it is in memory: how many chains the device has completed, modulo 2^16.
  uint16_t used_index() const;
  // Chains submitted and not popped yet.
  size_t outstanding() const;
  uint16_t free_descriptors() const {
    return static_cast<uint16_t>(free_.size());
  }

  // Asks for an interrupt at the next completion, or for none (2.7.7). On at
  // first, and PopUsed keeps it so.
  void EnableInterrupts();
  void DisableInterrupts();

  // Raw access, for drivers that break the rules.
  void WriteDescriptor(uint16_t index, const Descriptor& descriptor);
  void WriteAvailableEntry(uint16_t slot, uint16_t head);
  void WriteAvailableIndex(uint16_t index);
  uint16_t available_index() const { return next_available_; }
  // Makes `head` available, whatever is in its descriptor.
  void SubmitHead(uint16_t head);
  void WriteUsedEvent(uint16_t event);
  uint16_t ReadUsedFlags() const;
  uint16_t ReadAvailableEvent() const;

 private:
  struct Outstanding {
    std::vector<ChainBuilder::Part> parts;
    std::vector<uint16_t> descriptors;
    uint64_t indirect_table = 0;
    uint32_t indirect_size = 0;
  };

  uint16_t TakeDescriptor();
  uint16_t Submit(ChainBuilder& builder);

  GuestRam* ram_;
  QueueLayout layout_;
  std::vector<uint16_t> free_;
  std::vector<std::optional<Outstanding>> outstanding_;  // By head.
  uint16_t next_available_ = 0;
  uint16_t kicked_available_ = 0;
  uint16_t next_used_ = 0;
  bool interrupts_enabled_ = true;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_TESTING_FAKE_QUEUE_H_
