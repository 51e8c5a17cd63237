#ifndef NACRE_TOOLS_GUEST_KERNEL_SPLIT_RING_DRIVER_H_
#define NACRE_TOOLS_GUEST_KERNEL_SPLIT_RING_DRIVER_H_

#include <cstdint>
#include <optional>

#include "devices/virtio/split_ring.h"
#include "tools/guest_kernel/virtio_pci.h"
#include "vmm/guest_memory.h"

namespace nacre::guest_kernel {

// The driver's side of a split virtqueue with EVENT_IDX, as Linux's
// virtio_ring.c drives it: where each request has an indirect table, it takes
// one descriptor, and that is the only kind here. So a request is a slot, a
// number below the ring's size, whose descriptor names the same table forever.
//
// No lock: Add and PrepareKick are one caller's at a time; TakeUsed and
// EnableInterrupts another's, at the same time. Trusts the device.
class SplitRingDriver {
 public:
  // Bytes that the three parts take, from a multiple of 16 on.
  static uint64_t SizeOf(uint16_t size);

  // The ring lies at guest address `address`, where `memory` has SizeOf(size)
  // bytes of zeroes; `size` is a power of two.
  SplitRingDriver(const vmm::GuestMemory& memory, uint64_t address,
                  uint16_t size);

  uint16_t size() const { return size_; }
  const QueueAddresses& addresses() const { return addresses_; }

  // Once for each slot: where its indirect table is, in the guest's RAM.
  void SetTable(uint16_t slot, uint64_t address);

  // Makes slot's table of `descriptors` entries available to the device. The
  // slot is the device's until TakeUsed returns it.
  void Add(uint16_t slot, uint32_t descriptors);

  // Whether the device wants to be kicked for what was added since the last
  // call (virtqueue_kick_prepare; virtio 1.x, 2.7.10).
  bool PrepareKick();

  // The next slot that the device has returned, in its order.
  std::optional<uint16_t> TakeUsed();
  // Asks for an interrupt at the next return (virtqueue_enable_cb). Between an
  // interrupt and this the device sends none (2.7.7). False where the device
  // has returned more meanwhile, which it may not interrupt for.
  bool EnableInterrupts();

 private:
  uint16_t LoadUsedIndex() const;

  const uint16_t size_;
  const QueueAddresses addresses_;
  const vmm::GuestMemory::Piece descriptors_;
  const vmm::GuestMemory::Piece available_;
  const vmm::GuestMemory::Piece used_;

  uint16_t next_available_ = 0;
  uint16_t kicked_available_ = 0;  // Where PrepareKick was last.
  uint16_t next_used_ = 0;         // TakeUsed's.
};

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_SPLIT_RING_DRIVER_H_
