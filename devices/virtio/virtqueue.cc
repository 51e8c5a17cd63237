#include "devices/virtio/virtqueue.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

// Range storage larger than this is freed rather than kept for the next chain,
// so that a guest's rare large chains do not pin memory for good.
constexpr size_t kMaxSpareRanges = 64;

absl::Status BrokenRing(absl::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat("the driver broke its queue: ", what));
}

absl::Status CheckPart(const vmm::GuestMemory& memory, const char* name,
                       uint64_t address, uint64_t size, uint64_t alignment) {
  if (!IsAligned(address, alignment)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s at %#x: must be a multiple of %d (virtio 2.7)",
                        name, address, alignment));
  }
  if (!memory.Contains(address, size)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s [%#x, +%#x): must be in RAM", name, address, size));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Virtqueue> Virtqueue::Create(const vmm::GuestMemory* memory,
                                            const QueueLayout& layout) {
  if (!IsPowerOfTwo(layout.size) || layout.size > kMaxQueueSize) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "queue size %d: must be a power of two up to %d (virtio 2.7)",
        layout.size, kMaxQueueSize));
  }
  RETURN_IF_ERROR(CheckPart(*memory, "descriptor table",
                            layout.descriptor_table,
                            DescriptorTableSize(layout.size), 16));
  RETURN_IF_ERROR(CheckPart(*memory, "available ring", layout.available_ring,
                            AvailableRingSize(layout.size), 2));
  RETURN_IF_ERROR(CheckPart(*memory, "used ring", layout.used_ring,
                            UsedRingSize(layout.size), 4));
  // The 16-bit ring fields are accessed as such: an even address in one region
  // has both bytes in it, since regions are page-aligned. So from here on no
  // access to the rings themselves can fail.
  return Virtqueue(memory, layout);
}

Virtqueue::Virtqueue(const vmm::GuestMemory* memory, const QueueLayout& layout)
    : memory_(memory), layout_(layout) {}

absl::Status Virtqueue::FetchAvailableIndex() {
  // Acquire: entries and descriptors are read after the index that covers them
  // (2.7.13.3).
  ASSIGN_OR_RETURN(
      const uint16_t index,
      memory_->LoadAcquire16(layout_.available_ring + kRingIndexOffset));
  // Each chain holds at least one descriptor of the table until it is used
  // (2.7.13), so the driver cannot have more than `size` of them out. Caps what
  // a device can be made to keep.
  const uint16_t pending = static_cast<uint16_t>(index - next_available_);
  if (pending > layout_.size - in_flight_) {
    return BrokenRing(absl::StrFormat(
        "available index went from %d to %d with %d of %d requests out",
        next_available_, index, in_flight_, layout_.size));
  }
  known_available_ = index;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<DescriptorChain>> Virtqueue::Pop() {
  if (next_available_ == known_available_) {
    RETURN_IF_ERROR(FetchAvailableIndex());
    if (next_available_ == known_available_) return std::nullopt;
  }
  const uint64_t slot = next_available_ & (layout_.size - 1);
  ASSIGN_OR_RETURN(
      const uint16_t head,
      memory_->LoadAcquire16(layout_.available_ring + kRingEntriesOffset +
                             slot * sizeof(uint16_t)));
  std::vector<GuestRange> storage;
  if (!spare_storage_.empty()) {
    storage = std::move(spare_storage_.back());
    spare_storage_.pop_back();
  }
  DescriptorChain chain(memory_, head, std::move(storage));
  if (absl::Status status = Walk(head, chain); !status.ok()) {
    std::move(chain).Abandon();
    return status;
  }
  ++next_available_;
  ++in_flight_;
  return chain;
}

absl::Status Virtqueue::Walk(uint16_t head, DescriptorChain& chain) {
  Table table{.length = layout_.size};
  uint32_t unvisited = table.length;
  for (uint32_t index = head;;) {
    if (index >= table.length) {
      return BrokenRing(absl::StrFormat("descriptor %d in a table of %d", index,
                                        table.length));
    }
    // A chain that visits more descriptors than its table has visits one twice
    // (2.7.5: no loops).
    if (unvisited-- == 0) return BrokenRing("descriptors form a loop");
    Descriptor descriptor;
    if (table.copy != nullptr) {
      descriptor = table.copy[index];
    } else {
      RETURN_IF_ERROR(
          memory_->Read(layout_.descriptor_table + index * sizeof(Descriptor),
                        AsWritableBytes(descriptor)));
    }
    if ((descriptor.flags & kDescriptorIndirect) != 0) {
      // 2.7.5.3.1: only in the queue's own table, and there the last.
      if (table.copy != nullptr) return BrokenRing("indirect within indirect");
      ASSIGN_OR_RETURN(table, CopyIndirectTable(descriptor));
      unvisited = table.length;
      index = 0;
      continue;
    }
    RETURN_IF_ERROR(AddRange(descriptor, chain));
    if ((descriptor.flags & kDescriptorNext) == 0) return absl::OkStatus();
    index = descriptor.next;
  }
}

// Ignores the WRITE flag, as 2.7.5.3.2 says.
absl::StatusOr<Virtqueue::Table> Virtqueue::CopyIndirectTable(
    const Descriptor& descriptor) {
  if (!layout_.indirect) {
    return BrokenRing("indirect descriptor, which was not negotiated");
  }
  if ((descriptor.flags & kDescriptorNext) != 0) {
    return BrokenRing("descriptor with both INDIRECT and NEXT");
  }
  if (descriptor.length == 0 || descriptor.length % sizeof(Descriptor) != 0 ||
      descriptor.length / sizeof(Descriptor) > kMaxIndirectDescriptors) {
    return BrokenRing(absl::StrFormat(
        "indirect table of %d bytes: want 1 to %d descriptors of 16",
        descriptor.length, kMaxIndirectDescriptors));
  }
  const uint32_t length = descriptor.length / sizeof(Descriptor);
  if (indirect_table_.size() < length) indirect_table_.resize(length);
  absl::Status status = memory_->Read(
      descriptor.address,
      {reinterpret_cast<uint8_t*>(indirect_table_.data()), descriptor.length});
  if (!status.ok()) {
    return BrokenRing(absl::StrCat("indirect table: ", status.message()));
  }
  return Table{.length = length, .copy = indirect_table_.data()};
}

absl::Status Virtqueue::AddRange(const Descriptor& descriptor,
                                 DescriptorChain& chain) {
  const bool writable = (descriptor.flags & kDescriptorWrite) != 0;
  if (!writable && chain.write_position_.range != chain.ranges_.size()) {
    return BrokenRing("readable descriptor after a writable one (2.7.4.2)");
  }
  // Empty ones are pointless, but no clause forbids them; they name no byte.
  if (descriptor.length == 0) return absl::OkStatus();
  if (!memory_->Contains(descriptor.address, descriptor.length)) {
    return BrokenRing(absl::StrFormat("descriptor of [%#x, +%#x), not in RAM",
                                      descriptor.address, descriptor.length));
  }
  uint64_t& size = writable ? chain.writable_size_ : chain.readable_size_;
  size += descriptor.length;
  if (chain.readable_size_ + chain.writable_size_ > kMaxChainBytes) {
    return BrokenRing("chain of 2^32 bytes or more (2.7.5)");
  }
  chain.ranges_.push_back({descriptor.address, descriptor.length});
  // The answer begins after the last readable range.
  if (!writable) chain.write_position_.range = chain.ranges_.size();
  return absl::OkStatus();
}

absl::Status Virtqueue::Complete(DescriptorChain chain) {
  CHECK(chain.head_.has_value()) << "descriptor chain completed twice";
  CHECK_GT(in_flight_, 0);
  const UsedElement element{.id = *chain.head_,
                            .length = chain.bytes_written()};
  chain.head_.reset();
  if (chain.ranges_.capacity() <= kMaxSpareRanges) {
    spare_storage_.push_back(std::move(chain.ranges_));
  }
  const uint64_t slot = next_used_ & (layout_.size - 1);
  RETURN_IF_ERROR(memory_->Write(
      layout_.used_ring + kRingEntriesOffset + slot * sizeof(UsedElement),
      AsBytes(element)));
  ++next_used_;
  ++unsignalled_;
  --in_flight_;
  // Release: the entry and the answer are visible before the index that covers
  // them (2.7.8.2).
  return memory_->StoreRelease16(layout_.used_ring + kRingIndexOffset,
                                 next_used_);
}

bool Virtqueue::NeedsInterrupt() {
  const uint32_t completed = std::exchange(unsignalled_, 0);
  if (completed == 0) return false;
  // The used index must be visible before we look at what the driver wants, or
  // both sides may miss each other: it stores its event, then reads the index.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!layout_.event_index) {
    const absl::StatusOr<uint16_t> flags =
        memory_->LoadAcquire16(layout_.available_ring + kRingFlagsOffset);
    return !flags.ok() || (*flags & kAvailableNoInterrupt) == 0;
  }
  const absl::StatusOr<uint16_t> event = memory_->LoadAcquire16(
      layout_.available_ring + UsedEventOffset(layout_.size));
  // Beyond 2^16 completions the indexes alone no longer tell.
  return !event.ok() || completed > 0xffff ||
         PassesEvent(*event, next_used_,
                     static_cast<uint16_t>(next_used_ - completed));
}

void Virtqueue::DisableKicks() {
  // With EVENT_IDX there is nothing to do: the event stays at an index that the
  // driver has passed already.
  if (layout_.event_index) return;
  memory_->StoreRelease16(layout_.used_ring + kRingFlagsOffset, kUsedNoNotify)
      .IgnoreError();
}

bool Virtqueue::EnableKicks() {
  if (layout_.event_index) {
    memory_
        ->StoreRelease16(layout_.used_ring + AvailableEventOffset(layout_.size),
                         next_available_)
        .IgnoreError();
  } else {
    memory_->StoreRelease16(layout_.used_ring + kRingFlagsOffset, 0)
        .IgnoreError();
  }
  // The mirror image of NeedsInterrupt's.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const absl::StatusOr<uint16_t> index =
      memory_->LoadAcquire16(layout_.available_ring + kRingIndexOffset);
  return index.ok() && *index != next_available_;
}

}  // namespace nacre::virtio
