#include "tools/guest_kernel/split_ring_driver.h"

#include <atomic>
#include <cstddef>

#include "base/bytes.h"

namespace nacre::guest_kernel {
namespace {

using virtio::Descriptor;
using virtio::kRingEntriesOffset;
using virtio::kRingIndexOffset;
using virtio::UsedElement;

constexpr uint64_t kUsedAlignment = 4;

uint64_t AvailableOffset(uint16_t size) {
  return virtio::DescriptorTableSize(size);
}
uint64_t UsedOffset(uint16_t size) {
  const uint64_t end = AvailableOffset(size) + virtio::AvailableRingSize(size);
  return (end + kUsedAlignment - 1) / kUsedAlignment * kUsedAlignment;
}

}  // namespace

uint64_t SplitRingDriver::SizeOf(uint16_t size) {
  return UsedOffset(size) + virtio::UsedRingSize(size);
}

SplitRingDriver::SplitRingDriver(const vmm::GuestMemory& memory,
                                 uint64_t address, uint16_t size)
    : size_(size),
      addresses_{.descriptor_table = address,
                 .available_ring = address + AvailableOffset(size),
                 .used_ring = address + UsedOffset(size)},
      descriptors_(memory.FindPiece(addresses_.descriptor_table,
                                    virtio::DescriptorTableSize(size))),
      available_(memory.FindPiece(addresses_.available_ring,
                                  virtio::AvailableRingSize(size))),
      used_(
          memory.FindPiece(addresses_.used_ring, virtio::UsedRingSize(size))) {}

void SplitRingDriver::SetTable(uint16_t slot, uint64_t address) {
  const Descriptor descriptor = {.address = address,
                                 .length = 0,
                                 .flags = virtio::kDescriptorIndirect,
                                 .next = 0};
  descriptors_.Write(slot * sizeof(Descriptor), AsBytes(descriptor));
}

void SplitRingDriver::Add(uint16_t slot, uint32_t descriptors) {
  const auto length = static_cast<uint32_t>(descriptors * sizeof(Descriptor));
  descriptors_.Write(slot * sizeof(Descriptor) + offsetof(Descriptor, length),
                     AsBytes(length));
  available_.Write(
      kRingEntriesOffset + (next_available_ & (size_ - 1)) * sizeof(uint16_t),
      AsBytes(slot));
  ++next_available_;
  // 2.7.13.3: what the index covers is visible before it.
  available_.StoreRelease16(kRingIndexOffset, next_available_);
}

bool SplitRingDriver::PrepareKick() {
  const uint16_t before = kicked_available_;
  kicked_available_ = next_available_;
  // The index must be visible before we look at what the device wants: it
  // stores its event, then looks at the index.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const uint16_t event =
      used_.LoadAcquire16(virtio::AvailableEventOffset(size_));
  return virtio::PassesEvent(event, next_available_, before);
}

uint16_t SplitRingDriver::LoadUsedIndex() const {
  return used_.LoadAcquire16(kRingIndexOffset);
}

std::optional<uint16_t> SplitRingDriver::TakeUsed() {
  if (LoadUsedIndex() == next_used_) return std::nullopt;
  UsedElement element;
  used_.Read(
      kRingEntriesOffset + (next_used_ & (size_ - 1)) * sizeof(UsedElement),
      AsWritableBytes(element));
  ++next_used_;
  return static_cast<uint16_t>(element.id);
}

bool SplitRingDriver::EnableInterrupts() {
  available_.StoreRelease16(virtio::UsedEventOffset(size_), next_used_);
  // The mirror image of PrepareKick's.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return LoadUsedIndex() == next_used_;
}

}  // namespace nacre::guest_kernel
