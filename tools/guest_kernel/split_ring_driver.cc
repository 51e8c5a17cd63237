#include "tools/guest_kernel/split_ring_driver.h"

#include <atomic>

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

template <typename T>
T* At(std::span<uint8_t> memory, uint64_t offset) {
  return reinterpret_cast<T*>(memory.data() + offset);
}

}  // namespace

uint64_t SplitRingDriver::SizeOf(uint16_t size) {
  return UsedOffset(size) + virtio::UsedRingSize(size);
}

SplitRingDriver::SplitRingDriver(std::span<uint8_t> memory, uint64_t address,
                                 uint16_t size)
    : size_(size),
      addresses_{.descriptor_table = address,
                 .available_ring = address + AvailableOffset(size),
                 .used_ring = address + UsedOffset(size)},
      descriptors_(At<Descriptor>(memory, 0)),
      available_index_(
          At<uint16_t>(memory, AvailableOffset(size) + kRingIndexOffset)),
      available_entries_(
          At<uint16_t>(memory, AvailableOffset(size) + kRingEntriesOffset)),
      used_event_(At<uint16_t>(
          memory, AvailableOffset(size) + virtio::UsedEventOffset(size))),
      used_index_(At<uint16_t>(memory, UsedOffset(size) + kRingIndexOffset)),
      used_entries_(
          At<UsedElement>(memory, UsedOffset(size) + kRingEntriesOffset)),
      available_event_(At<uint16_t>(
          memory, UsedOffset(size) + virtio::AvailableEventOffset(size))) {}

void SplitRingDriver::SetTable(uint16_t slot, uint64_t address) {
  descriptors_[slot] = {.address = address,
                        .length = 0,
                        .flags = virtio::kDescriptorIndirect,
                        .next = 0};
}

void SplitRingDriver::Add(uint16_t slot, uint32_t descriptors) {
  descriptors_[slot].length =
      descriptors * static_cast<uint32_t>(sizeof(Descriptor));
  available_entries_[next_available_ & (size_ - 1)] = slot;
  ++next_available_;
  // 2.7.13.3: what the index covers is visible before it.
  std::atomic_ref<uint16_t>(*available_index_)
      .store(next_available_, std::memory_order_release);
}

bool SplitRingDriver::PrepareKick() {
  const uint16_t before = kicked_available_;
  kicked_available_ = next_available_;
  // The index must be visible before we look at what the device wants: it
  // stores its event, then looks at the index.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const uint16_t event = std::atomic_ref<uint16_t>(*available_event_)
                             .load(std::memory_order_relaxed);
  return virtio::PassesEvent(event, next_available_, before);
}

uint16_t SplitRingDriver::LoadUsedIndex() const {
  return std::atomic_ref<uint16_t>(*used_index_)
      .load(std::memory_order_acquire);
}

std::optional<uint16_t> SplitRingDriver::TakeUsed() {
  if (LoadUsedIndex() == next_used_) return std::nullopt;
  const uint32_t slot = used_entries_[next_used_ & (size_ - 1)].id;
  ++next_used_;
  return static_cast<uint16_t>(slot);
}

bool SplitRingDriver::EnableInterrupts() {
  std::atomic_ref<uint16_t>(*used_event_)
      .store(next_used_, std::memory_order_relaxed);
  // The mirror image of PrepareKick's.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return LoadUsedIndex() == next_used_;
}

}  // namespace nacre::guest_kernel
