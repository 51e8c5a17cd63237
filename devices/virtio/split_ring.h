#ifndef NACRE_DEVICES_VIRTIO_SPLIT_RING_H_
#define NACRE_DEVICES_VIRTIO_SPLIT_RING_H_

#include <cstdint>

namespace nacre::virtio {

// The layout in guest memory that a split virtqueue's two sides share (virtio
// 1.x, 2.7.5 to 2.7.8; linux/virtio_ring.h).

struct Descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags;
  uint16_t next;
};
static_assert(sizeof(Descriptor) == 16);

inline constexpr uint16_t kDescriptorNext = 1;
inline constexpr uint16_t kDescriptorWrite = 2;
inline constexpr uint16_t kDescriptorIndirect = 4;

struct UsedElement {
  uint32_t id;  // Index of the chain's first descriptor.
  uint32_t length;
};
static_assert(sizeof(UsedElement) == 8);

inline constexpr uint16_t kAvailableNoInterrupt = 1;  // available.flags
inline constexpr uint16_t kUsedNoNotify = 1;          // used.flags

// Both rings begin with flags and idx, 16 bits each; then the entries, then one
// 16-bit event field of the other side's.
inline constexpr uint64_t kRingFlagsOffset = 0;
inline constexpr uint64_t kRingIndexOffset = 2;
inline constexpr uint64_t kRingEntriesOffset = 4;

constexpr uint64_t DescriptorTableSize(uint16_t size) {
  return sizeof(Descriptor) * uint64_t{size};
}
constexpr uint64_t UsedEventOffset(uint16_t size) {  // In the available ring.
  return kRingEntriesOffset + sizeof(uint16_t) * uint64_t{size};
}
constexpr uint64_t AvailableEventOffset(uint16_t size) {  // In the used ring.
  return kRingEntriesOffset + sizeof(UsedElement) * uint64_t{size};
}
// The event fields count even where EVENT_IDX was not negotiated (2.7, table).
constexpr uint64_t AvailableRingSize(uint16_t size) {
  return UsedEventOffset(size) + sizeof(uint16_t);
}
constexpr uint64_t UsedRingSize(uint16_t size) {
  return AvailableEventOffset(size) + sizeof(uint16_t);
}

// Whether moving an index from `old_index` to `new_index` passes `event`
// (2.7.7.2, 2.7.10; vring_need_event in linux/virtio_ring.h).
constexpr bool PassesEvent(uint16_t event, uint16_t new_index,
                           uint16_t old_index) {
  return static_cast<uint16_t>(new_index - event - 1) <
         static_cast<uint16_t>(new_index - old_index);
}

inline constexpr uint16_t kMaxQueueSize = 32768;  // 2.7

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_SPLIT_RING_H_
