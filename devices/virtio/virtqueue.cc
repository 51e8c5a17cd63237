#include "devices/virtio/virtqueue.h"

#include <atomic>
#include <cstdlib>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

// Out of line, as is all that only a broken ring gets to.
template <typename... Args>
ABSL_ATTRIBUTE_NOINLINE absl::Status BrokenRing(
    const absl::FormatSpec<Args...>& what, const Args&... args) {
  return absl::FailedPreconditionError(absl::StrCat(
      "the driver broke its queue: ", absl::StrFormat(what, args...)));
}

// Where a part of the queue is. It may not cross from one region into another,
// which Linux's, from its page allocator, never do.
absl::StatusOr<vmm::GuestMemory::Piece> FindPart(const vmm::GuestMemory& memory,
                                                 const char* name,
                                                 uint64_t address,
                                                 uint64_t size,
                                                 uint64_t alignment) {
  if (!IsAligned(address, alignment)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s at %#x: must be a multiple of %d (virtio 2.7)",
                        name, address, alignment));
  }
  const vmm::GuestMemory::Piece piece = memory.FindPiece(address, size);
  if (piece.size() != size) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s [%#x, +%#x): must be in one region of RAM", name, address, size));
  }
  return piece;
}

}  // namespace

absl::StatusOr<Virtqueue> Virtqueue::Create(const vmm::GuestMemory* memory,
                                            const QueueLayout& layout) {
  if (!IsPowerOfTwo(layout.size) || layout.size > kMaxQueueSize) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "queue size %d: must be a power of two up to %d (virtio 2.7)",
        layout.size, kMaxQueueSize));
  }
  Virtqueue queue(memory, layout);
  ASSIGN_OR_RETURN(
      queue.descriptor_table_,
      FindPart(*memory, "descriptor table", layout.descriptor_table,
               DescriptorTableSize(layout.size), 16));
  ASSIGN_OR_RETURN(queue.available_ring_,
                   FindPart(*memory, "available ring", layout.available_ring,
                            AvailableRingSize(layout.size), 2));
  ASSIGN_OR_RETURN(queue.used_ring_,
                   FindPart(*memory, "used ring", layout.used_ring,
                            UsedRingSize(layout.size), 4));
  // From here on no access to the rings themselves can fail.
  return queue;
}

Virtqueue::Virtqueue(const vmm::GuestMemory* memory, const QueueLayout& layout)
    : memory_(memory), layout_(layout) {}

absl::Status Virtqueue::FetchAvailableIndex() {
  // Acquire: entries and descriptors are read after the index that covers them
  // (2.7.13.3).
  const uint16_t index = available_ring_.LoadAcquire16(kRingIndexOffset);
  // Each chain holds at least one descriptor of the table until it is used
  // (2.7.13), so the driver cannot have more than `size` of them out. Caps what
  // a device can be made to keep.
  const uint16_t pending = static_cast<uint16_t>(index - next_available_);
  if (pending > layout_.size - in_flight_) {
    return BrokenRing(
        "available index went from %d to %d with %d of %d requests out",
        next_available_, index, in_flight_, layout_.size);
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
  std::unique_ptr<Request> request = spare_requests_.Take();
  request->head = available_ring_.LoadAcquire16(kRingEntriesOffset +
                                                slot * sizeof(uint16_t));
  request->num_pieces = 0;
  request->read = {};
  request->write = {};
  RETURN_IF_ERROR(Walk(*request));
  ++next_available_;
  ++in_flight_;
  return DescriptorChain(std::move(request));
}

absl::Status Virtqueue::Walk(Request& request) {
  // Where descriptors are read from: the queue's own table, in guest memory, or
  // our copy of an indirect one.
  bool indirect = false;
  uint32_t length = layout_.size;
  uint32_t unvisited = length;
  uint64_t readable = 0;
  uint64_t writable = 0;
  for (uint32_t index = request.head;;) {
    if (ABSL_PREDICT_FALSE(index >= length)) {
      return BrokenRing("descriptor %d in a table of %d", index, length);
    }
    // A chain that visits more descriptors than its table has visits one twice
    // (2.7.5: no loops).
    if (ABSL_PREDICT_FALSE(unvisited-- == 0)) {
      return BrokenRing("descriptors form a loop");
    }
    Descriptor descriptor;
    if (indirect) {
      descriptor = indirect_table_[index];
    } else {
      descriptor_table_.Read(index * sizeof(Descriptor),
                             AsWritableBytes(descriptor));
    }
    if ((descriptor.flags & kDescriptorIndirect) != 0) {
      // 2.7.5.3.1: only in the queue's own table, and there the last.
      if (indirect) return BrokenRing("indirect within indirect");
      RETURN_IF_ERROR(CopyIndirectTable(descriptor));
      indirect = true;
      length = descriptor.length / sizeof(Descriptor);
      unvisited = length;
      index = 0;
      continue;
    }
    // Nearly every one lies in one region.
    if (const Piece piece =
            memory_->FindPiece(descriptor.address, descriptor.length);
        ABSL_PREDICT_TRUE(piece.size() == descriptor.length &&
                          piece.size() != 0)) {
      request.Add(piece);
    } else {
      RETURN_IF_ERROR(AddPieces(descriptor, request));
    }
    if ((descriptor.flags & kDescriptorWrite) != 0) {
      writable += descriptor.length;
    } else if (ABSL_PREDICT_TRUE(writable == 0)) {
      readable += descriptor.length;
      request.read.end = request.num_pieces;
    } else {
      return BrokenRing("readable descriptor after a writable one (2.7.4.2)");
    }
    if (ABSL_PREDICT_FALSE(readable + writable > kMaxChainBytes)) {
      return BrokenRing("chain of 2^32 bytes or more (2.7.5)");
    }
    if ((descriptor.flags & kDescriptorNext) == 0) break;
    index = descriptor.next;
  }
  request.readable_size = readable;
  request.writable_size = writable;
  // The answer begins after the last readable piece.
  request.write.next = request.read.end;
  request.write.end = request.num_pieces;
  if (readable != 0) request.read.piece = request.pieces[request.read.next++];
  if (writable != 0) request.write.piece = request.pieces[request.write.next++];
  return absl::OkStatus();
}

// Ignores the WRITE flag, as 2.7.5.3.2 says.
absl::Status Virtqueue::CopyIndirectTable(const Descriptor& descriptor) {
  if (ABSL_PREDICT_FALSE(!layout_.indirect)) {
    return BrokenRing("indirect descriptor, which was not negotiated");
  }
  if (ABSL_PREDICT_FALSE((descriptor.flags & kDescriptorNext) != 0)) {
    return BrokenRing("descriptor with both INDIRECT and NEXT");
  }
  const uint32_t count = descriptor.length / sizeof(Descriptor);
  if (ABSL_PREDICT_FALSE(count == 0 || count > kMaxIndirectDescriptors ||
                         descriptor.length % sizeof(Descriptor) != 0)) {
    return BrokenRing(
        "indirect table of %d bytes: want 1 to %d descriptors of 16",
        descriptor.length, kMaxIndirectDescriptors);
  }
  if (indirect_table_.size() < count) indirect_table_.resize(count);
  const std::span<uint8_t> bytes(
      reinterpret_cast<uint8_t*>(indirect_table_.data()), descriptor.length);
  const Piece piece = memory_->FindPiece(descriptor.address, bytes.size());
  if (ABSL_PREDICT_TRUE(piece.size() == bytes.size())) {
    piece.Read(0, bytes);
  } else if (!memory_->Read(descriptor.address, bytes).ok()) {
    return BrokenRing("indirect table of [%#x, +%#x), not in RAM",
                      descriptor.address, descriptor.length);
  }
  return absl::OkStatus();
}

absl::Status Virtqueue::AddPieces(const Descriptor& descriptor,
                                  Request& request) {
  // Empty ones are pointless, but no clause forbids them; they name no byte.
  for (uint64_t done = 0; done < descriptor.length;) {
    const Piece piece =
        memory_->FindPiece(descriptor.address + done, descriptor.length - done);
    if (piece.size() == 0) {
      return BrokenRing("descriptor of [%#x, +%#x), not in RAM",
                        descriptor.address, descriptor.length);
    }
    request.Add(piece);
    done += piece.size();
  }
  return absl::OkStatus();
}

void Virtqueue::DieCompletedTwice() {
  LOG(FATAL) << "descriptor chain completed twice";
  std::abort();
}

bool Virtqueue::NeedsInterrupt() {
  const uint32_t completed = std::exchange(unsignalled_, 0);
  if (completed == 0) return false;
  // The used index must be visible before we look at what the driver wants, or
  // both sides may miss each other: it stores its event, then reads the index.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!layout_.event_index) {
    return (available_ring_.LoadAcquire16(kRingFlagsOffset) &
            kAvailableNoInterrupt) == 0;
  }
  const uint16_t event =
      available_ring_.LoadAcquire16(UsedEventOffset(layout_.size));
  // Beyond 2^16 completions the indexes alone no longer tell.
  return completed > 0xffff ||
         PassesEvent(event, next_used_,
                     static_cast<uint16_t>(next_used_ - completed));
}

void Virtqueue::DisableKicks() {
  // With EVENT_IDX there is nothing to do: the event stays at an index that the
  // driver has passed already.
  if (layout_.event_index) return;
  used_ring_.StoreRelease16(kRingFlagsOffset, kUsedNoNotify);
}

bool Virtqueue::EnableKicks() {
  if (layout_.event_index) {
    used_ring_.StoreRelease16(AvailableEventOffset(layout_.size),
                              next_available_);
  } else {
    used_ring_.StoreRelease16(kRingFlagsOffset, 0);
  }
  // The mirror image of NeedsInterrupt's.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return available_ring_.LoadAcquire16(kRingIndexOffset) != next_available_;
}

}  // namespace nacre::virtio
