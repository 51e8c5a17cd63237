#ifndef NACRE_VMM_GUEST_MEMORY_H_
#define NACRE_VMM_GUEST_MEMORY_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/mapping.h"

namespace nacre::vmm {

// The guest's RAM: one or more regions of guest-physical address space, each
// over a memfd of its own.
//
// Everything in it is guest-controlled and may change between two reads by a
// vCPU that runs at the same time. So access is by copy only: no pointer or
// span into guest memory leaves guest_memory.cc, and bytes are copied once and
// then examined. Device code gets errors, never faults, for addresses that the
// guest made up.
//
// Thread-safe: regions are fixed at creation.
class GuestMemory {
 public:
  struct RegionSpec {
    // Multiples of the host's page (base/page_size.h), which is all that
    // hypervisors take; the size in bytes and not 0.
    uint64_t guest_address = 0;
    uint64_t size = 0;
  };

  // What a hypervisor needs to make a region visible to its vCPUs.
  struct HostRegion {
    uint64_t guest_address = 0;
    uint64_t size = 0;
    // Host virtual address of the region's first byte, in a mapping that is
    // for the hypervisor's use and for nothing else (see SetGuestAccess).
    uint64_t host_address = 0;
  };

  // Errors: InvalidArgument for no region, unaligned, empty, wrapping or
  // overlapping ones; the errno of memfd_create or mmap. Regions are aligned
  // to 2 MiB in this process and marked MADV_HUGEPAGE, since nested page
  // faults are the largest cost of a boot.
  static absl::StatusOr<GuestMemory> Create(
      std::span<const RegionSpec> regions);

  GuestMemory(GuestMemory&&) = default;
  GuestMemory& operator=(GuestMemory&&) = default;

  // Copies [address, address + size) out of or into guest memory. A range may
  // cross from one region into one that begins where the first ends. Errors:
  // OutOfRange, and nothing copied, where a byte of it is not RAM.
  absl::Status Read(uint64_t address, std::span<uint8_t> out) const;
  absl::Status Write(uint64_t address, std::span<const uint8_t> in) const;

  // Copies [offset, offset + size) of the file `fd` to [address, ...). Errors:
  // OutOfRange as above; DataLoss where the file ends before; the errno.
  absl::Status WriteFromFile(uint64_t address, int fd, uint64_t offset,
                             uint64_t size) const;

  template <WireType T>
  absl::StatusOr<T> ReadValue(uint64_t address) const {
    T value;
    if (absl::Status status = Read(address, AsWritableBytes(value));
        !status.ok()) {
      return status;
    }
    return value;
  }
  template <WireType T>
  absl::Status WriteValue(uint64_t address, const T& value) const {
    return Write(address, AsBytes(value));
  }

  // Single 16-bit accesses that order the ones around them, for ring indexes
  // (virtio 1.x, 2.7.13). `address` must be even (InvalidArgument).
  absl::StatusOr<uint16_t> LoadAcquire16(uint64_t address) const;
  absl::Status StoreRelease16(uint64_t address, uint16_t value) const;

  // Whether every byte of [address, address + size) is RAM; an empty range is.
  bool Contains(uint64_t address, uint64_t size) const;

  // Takes [address, address + size) away from the vCPUs or gives it back; Read,
  // Write and the rest have access all the time. A vCPU that touches memory
  // that was taken away stops with an error. The range is whole
  // pages of the host and of one region. Errors: InvalidArgument, OutOfRange;
  // the errno.
  absl::Status SetGuestAccess(uint64_t address, uint64_t size,
                              bool allowed) const;

  // Makes every byte zero again and gives the memory back to the host, so that
  // nothing of one boot leaks into the next. No vCPU or device may run.
  absl::Status Discard();

  // Ascending by guest address.
  std::vector<HostRegion> host_regions() const;
  // Total bytes of RAM.
  uint64_t size() const;

 private:
  struct Region {
    uint64_t guest_address;
    Fd fd;
    Mapping mapping;        // Ours, for copying.
    Mapping guest_mapping;  // The same bytes, for the hypervisor.
  };

  explicit GuestMemory(std::vector<Region> regions);

  // Calls visit(host address, offset from `address`, size) for the pieces of
  // [address, address + size), in order; false at the first byte that is not
  // RAM, or at once for a range that wraps.
  template <typename Visit>
  bool ForEachPiece(uint64_t address, uint64_t size, Visit visit) const;

  // The region that [address, address + size) lies in, or null.
  const Region* FindRegion(uint64_t address, uint64_t size) const;
  // Host address of `address` if [address, address + size) lies in one region.
  uint8_t* Find(uint64_t address, uint64_t size) const;

  std::vector<Region> regions_;  // Ascending by guest address, disjoint.
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_GUEST_MEMORY_H_
