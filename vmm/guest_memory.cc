#include "vmm/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/checked.h"
#include "base/errno_status.h"
#include "base/file_status.h"
#include "base/page_size.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::vmm {
namespace {

constexpr uint64_t kHugePageSize = 2 * 1024 * 1024;

absl::Status OutOfRange(uint64_t address, uint64_t size) {
  return absl::OutOfRangeError(absl::StrFormat(
      "guest memory [%#x, +%#x) is not all RAM", address, size));
}

absl::Status CheckEven(uint64_t address) {
  if (IsAligned(address, sizeof(uint16_t))) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("ring index at odd guest address %#x", address));
}

absl::Status CheckSpecs(std::span<const GuestMemory::RegionSpec> sorted) {
  if (sorted.empty()) {
    return absl::InvalidArgumentError("guest memory has no region: give one");
  }
  const GuestMemory::RegionSpec* previous = nullptr;
  for (const GuestMemory::RegionSpec& spec : sorted) {
    if (spec.size == 0 || !IsAligned(spec.size, HostPageSize()) ||
        !IsAligned(spec.guest_address, HostPageSize())) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "guest memory region of %#x bytes at %#x: address and size must be "
          "multiples of %d, and the size not 0",
          spec.size, spec.guest_address, HostPageSize()));
    }
    if (!CheckedAdd(spec.guest_address, spec.size)) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "guest memory region of %#x bytes at %#x ends beyond the 64-bit "
          "address space: lower one of them",
          spec.size, spec.guest_address));
    }
    if (previous != nullptr &&
        spec.guest_address < previous->guest_address + previous->size) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "guest memory regions [%#x, +%#x) and [%#x, +%#x) overlap: move one "
          "of them",
          previous->guest_address, previous->size, spec.guest_address,
          spec.size));
    }
    previous = &spec;
  }
  return absl::OkStatus();
}

absl::Status CheckFileHolds(const GuestMemory::SharedRegion& region) {
  struct stat file;
  if (FileStatus(region.fd.get(), &file) != 0) return ErrnoStatus("fstat");
  if (region.size <= static_cast<uint64_t>(file.st_size)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "guest memory region of %#x bytes at %#x is more than its file has, %#x",
      region.size, region.guest_address, file.st_size));
}

absl::Status ReadFully(int fd, uint64_t offset, std::span<uint8_t> out) {
  while (!out.empty()) {
    const ssize_t count =
        pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus("read");
    if (count == 0) {
      return absl::DataLossError(
          absl::StrFormat("the file ends at %d, before its contents", offset));
    }
    offset += static_cast<uint64_t>(count);
    out = out.subspan(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

}  // namespace

GuestMemory::GuestMemory(std::vector<Region> regions)
    : regions_(std::move(regions)) {}

absl::StatusOr<GuestMemory> GuestMemory::Create(
    std::span<const RegionSpec> regions) {
  std::vector<RegionSpec> sorted(regions.begin(), regions.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const RegionSpec& a, const RegionSpec& b) {
              return a.guest_address < b.guest_address;
            });
  RETURN_IF_ERROR(CheckSpecs(sorted));
  std::vector<Region> result;
  for (const RegionSpec& spec : sorted) {
    ASSIGN_OR_RETURN(Fd fd, CreateMemfd("nacre-guest-ram", spec.size));
    ASSIGN_OR_RETURN(Mapping mapping, Mapping::SharedAligned(
                                          fd.get(), spec.size, kHugePageSize));
    ASSIGN_OR_RETURN(
        Mapping guest_mapping,
        Mapping::SharedAligned(fd.get(), spec.size, kHugePageSize));
    // Advice: a kernel without transparent huge pages is merely slower.
    (void)madvise(mapping.data(), mapping.size(), MADV_HUGEPAGE);
    (void)madvise(guest_mapping.data(), guest_mapping.size(), MADV_HUGEPAGE);
    result.push_back({spec.guest_address, std::move(fd), std::move(mapping),
                      std::move(guest_mapping)});
  }
  return GuestMemory(std::move(result));
}

void GuestMemory::DieOutside() {
  LOG(FATAL) << "access outside a piece of guest memory";
  std::abort();
}

absl::StatusOr<GuestMemory> GuestMemory::Import(
    std::vector<SharedRegion> regions) {
  std::sort(regions.begin(), regions.end(),
            [](const SharedRegion& a, const SharedRegion& b) {
              return a.guest_address < b.guest_address;
            });
  std::vector<RegionSpec> specs;
  for (const SharedRegion& region : regions) {
    specs.push_back({region.guest_address, region.size});
  }
  RETURN_IF_ERROR(CheckSpecs(specs));
  std::vector<Region> result;
  for (SharedRegion& region : regions) {
    RETURN_IF_ERROR(CheckFileHolds(region));
    ASSIGN_OR_RETURN(
        Mapping mapping,
        Mapping::SharedAligned(region.fd.get(), region.size, kHugePageSize));
    (void)madvise(mapping.data(), mapping.size(), MADV_HUGEPAGE);
    result.push_back({region.guest_address, std::move(region.fd),
                      std::move(mapping), Mapping()});
  }
  return GuestMemory(std::move(result));
}

template <typename Visit>
bool GuestMemory::ForEachPiece(uint64_t address, uint64_t size,
                               Visit visit) const {
  if (!CheckedAdd(address, size)) return false;
  for (uint64_t done = 0; done < size;) {
    const Piece piece = FindPiece(address + done, size - done);
    if (piece.size() == 0) return false;
    visit(piece, done);
    done += piece.size();
  }
  return true;
}

bool GuestMemory::Contains(uint64_t address, uint64_t size) const {
  return ForEachPiece(address, size, [](const Piece&, uint64_t) {});
}

absl::Status GuestMemory::Read(uint64_t address, std::span<uint8_t> out) const {
  if (!Contains(address, out.size())) return OutOfRange(address, out.size());
  ForEachPiece(address, out.size(), [out](const Piece& piece, uint64_t at) {
    piece.Read(0, out.subspan(at, piece.size()));
  });
  return absl::OkStatus();
}

absl::Status GuestMemory::Write(uint64_t address,
                                std::span<const uint8_t> in) const {
  if (!Contains(address, in.size())) return OutOfRange(address, in.size());
  ForEachPiece(address, in.size(), [in](const Piece& piece, uint64_t at) {
    piece.Write(0, in.subspan(at, piece.size()));
  });
  return absl::OkStatus();
}

absl::Status GuestMemory::WriteFromFile(uint64_t address, int fd,
                                        uint64_t offset, uint64_t size) const {
  if (!Contains(address, size)) return OutOfRange(address, size);
  absl::Status status;
  ForEachPiece(address, size, [&](const Piece& piece, uint64_t at) {
    if (status.ok()) {
      status = ReadFully(fd, offset + at, {piece.host_, piece.size()});
    }
  });
  return status;
}

absl::StatusOr<uint16_t> GuestMemory::LoadAcquire16(uint64_t address) const {
  RETURN_IF_ERROR(CheckEven(address));
  const Piece piece = FindPiece(address, sizeof(uint16_t));
  // Regions are whole pages: the second byte is where the first is.
  if (piece.size() == 0) return OutOfRange(address, sizeof(uint16_t));
  return piece.LoadAcquire16(0);
}

absl::Status GuestMemory::StoreRelease16(uint64_t address,
                                         uint16_t value) const {
  RETURN_IF_ERROR(CheckEven(address));
  const Piece piece = FindPiece(address, sizeof(uint16_t));
  if (piece.size() == 0) return OutOfRange(address, sizeof(uint16_t));
  piece.StoreRelease16(0, value);
  return absl::OkStatus();
}

absl::Status GuestMemory::SetGuestAccess(uint64_t address, uint64_t size,
                                         bool allowed) const {
  if (!IsAligned(address, HostPageSize()) || !IsAligned(size, HostPageSize())) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "guest memory [%#x, +%#x) is not whole pages", address, size));
  }
  const auto region = std::find_if(
      regions_.begin(), regions_.end(), [&](const Region& candidate) {
        return address >= candidate.guest_address &&
               RangeFits(address - candidate.guest_address, size,
                         candidate.guest_mapping.size());
      });
  if (region == regions_.end()) return OutOfRange(address, size);
  uint8_t* host =
      region->guest_mapping.data() + (address - region->guest_address);
  if (mprotect(host, size, allowed ? PROT_READ | PROT_WRITE : PROT_NONE) != 0) {
    return ErrnoStatus("mprotect of guest memory");
  }
  return absl::OkStatus();
}

absl::Status GuestMemory::Discard() {
  for (const Region& region : regions_) {
    if (fallocate(region.fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  0, static_cast<off_t>(region.mapping.size())) != 0) {
      return ErrnoStatus("fallocate(PUNCH_HOLE) of guest memory");
    }
  }
  return absl::OkStatus();
}

std::vector<GuestMemory::HostRegion> GuestMemory::host_regions() const {
  std::vector<HostRegion> result;
  for (const Region& region : regions_) {
    if (!region.guest_mapping.valid()) continue;
    result.push_back(
        {region.guest_address, region.guest_mapping.size(),
         reinterpret_cast<uintptr_t>(region.guest_mapping.data())});
  }
  return result;
}

absl::StatusOr<std::vector<GuestMemory::SharedRegion>> GuestMemory::Share()
    const {
  std::vector<SharedRegion> result;
  for (const Region& region : regions_) {
    ASSIGN_OR_RETURN(Fd fd, region.fd.Duplicate());
    result.push_back(
        {region.guest_address, region.mapping.size(), std::move(fd)});
  }
  return result;
}

uint64_t GuestMemory::size() const {
  uint64_t total = 0;
  for (const Region& region : regions_) total += region.mapping.size();
  return total;
}

}  // namespace nacre::vmm
