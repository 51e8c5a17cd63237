#ifndef NACRE_VMM_GUEST_MEMORY_H_
#define NACRE_VMM_GUEST_MEMORY_H_

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/fd.h"
#include "base/mapping.h"

namespace nacre::vmm {

// The guest's RAM: one or more regions of guest-physical address space, each
// over a memfd of its own.
//
// Everything in it is guest-controlled and may change between two reads by a
// vCPU that runs at the same time. So access is by copy only: no pointer or
// span into guest memory leaves this file and its .cc, and bytes are copied
// once and then examined. Device code gets errors, never faults, for addresses
// that the guest made up.
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

  // Proof that some bytes are RAM, for who accesses them often: looked up once
  // by FindPiece, then copied from and to without another look. Valid as long
  // as the memory. CHECKs that what is asked for lies in the piece: where that
  // is up to a guest, the caller has compared with size().
  class Piece {
   public:
    Piece() = default;

    uint64_t size() const { return size_; }
    // Without the first `size` bytes.
    Piece Rest(uint64_t size) const { return {At(size, 0), size_ - size}; }
    void Read(uint64_t offset, std::span<uint8_t> out) const {
      std::memcpy(out.data(), At(offset, out.size()), out.size());
    }
    void Write(uint64_t offset, std::span<const uint8_t> in) const {
      std::memcpy(At(offset, in.size()), in.data(), in.size());
    }
    // Single accesses that order the ones around them, for ring indexes (virtio
    // 1.x, 2.7.13), at even guest addresses.
    uint16_t LoadAcquire16(uint64_t offset) const {
      return __atomic_load_n(
          reinterpret_cast<const uint16_t*>(At(offset, sizeof(uint16_t))),
          __ATOMIC_ACQUIRE);
    }
    void StoreRelease16(uint64_t offset, uint16_t value) const {
      __atomic_store_n(
          reinterpret_cast<uint16_t*>(At(offset, sizeof(uint16_t))), value,
          __ATOMIC_RELEASE);
    }

   private:
    friend class GuestMemory;
    Piece(uint8_t* host, uint64_t size) : host_(host), size_(size) {}

    uint8_t* At(uint64_t offset, uint64_t size) const {
      if (ABSL_PREDICT_FALSE(!RangeFits(offset, size, size_))) DieOutside();
      return host_ + offset;
    }

    uint8_t* host_ = nullptr;
    uint64_t size_ = 0;
  };

  // What another process needs to see a region: its memfd, whose first byte is
  // the region's.
  struct SharedRegion {
    uint64_t guest_address = 0;
    uint64_t size = 0;
    Fd fd;
  };

  // Errors: InvalidArgument for no region, unaligned, empty, wrapping or
  // overlapping ones; the errno of memfd_create or mmap. Regions are aligned
  // to 2 MiB in this process and marked MADV_HUGEPAGE, since nested page
  // faults are the largest cost of a boot. host_regions are for the hypervisor.
  static absl::StatusOr<GuestMemory> Create(
      std::span<const RegionSpec> regions);

  // The same memory in another process, to which Share's result was sent; or
  // RAM of a hypervisor that shows it to its vCPUs itself, from a mapping of
  // its own: this has no host_regions. A region begins with its file's first
  // byte. The file never shrinks (a memfd with F_SEAL_SHRINK): an access to
  // what it no longer has would end the process. Errors: as Create; and
  // InvalidArgument for a file that is smaller than its region.
  static absl::StatusOr<GuestMemory> Import(std::vector<SharedRegion> regions);

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

  // As Piece's. `address` must be even (InvalidArgument).
  absl::StatusOr<uint16_t> LoadAcquire16(uint64_t address) const;
  absl::Status StoreRelease16(uint64_t address, uint16_t value) const;

  // As much of [address, address + size) as lies in the region of its first
  // byte: empty where that is not RAM. Where the piece ends before the range,
  // the rest may be RAM too: ask for it.
  Piece FindPiece(uint64_t address, uint64_t size) const {
    for (const Region& region : regions_) {
      const uint64_t offset = address - region.guest_address;
      // Also where the address is below the region: the difference wraps.
      if (offset >= region.mapping.size()) continue;
      const uint64_t left = region.mapping.size() - offset;
      return Piece(region.mapping.data() + offset, size < left ? size : left);
    }
    return Piece();
  }

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
  // With duplicates of the fds. Errors: the errno.
  absl::StatusOr<std::vector<SharedRegion>> Share() const;
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
  [[noreturn]] static void DieOutside();

  // Calls visit(piece, offset from `address`) for the pieces of [address,
  // address + size), in order; false at the first byte that is not RAM, or at
  // once for a range that wraps.
  template <typename Visit>
  bool ForEachPiece(uint64_t address, uint64_t size, Visit visit) const;

  std::vector<Region> regions_;  // Ascending by guest address, disjoint.
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_GUEST_MEMORY_H_
