#include "base/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/checked.h"
#include "base/errno_status.h"
#include "base/status_macros.h"

namespace nacre {
namespace {

// Reserves `size` bytes at a multiple of `alignment`: reserve more, give back
// both ends.
absl::StatusOr<uint8_t*> ReserveAligned(size_t size, size_t alignment) {
  const size_t total = size + alignment;
  void* base = mmap(nullptr, total, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return ErrnoStatus(absl::StrCat("mmap(", total, " bytes)"));
  }
  const uintptr_t start = reinterpret_cast<uintptr_t>(base);
  const uintptr_t aligned = (start + alignment - 1) & ~(alignment - 1);
  if (aligned != start) munmap(base, aligned - start);
  const uintptr_t end = aligned + size;
  if (end != start + total) {
    munmap(reinterpret_cast<void*>(end), start + total - end);
  }
  return reinterpret_cast<uint8_t*>(aligned);
}

absl::StatusOr<uint8_t*> MapFixed(uint8_t* address, size_t size, int flags,
                                  int fd) {
  if (mmap(address, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0) ==
      MAP_FAILED) {
    const absl::Status status =
        ErrnoStatus(absl::StrCat("mmap(", size, " bytes)"));
    munmap(address, size);
    return status;
  }
  return address;
}

}  // namespace

Mapping::Mapping(Mapping&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(size_, other.size_);
  return *this;
}

Mapping::~Mapping() {
  if (address_ != nullptr) munmap(address_, size_);
}

absl::StatusOr<Mapping> Mapping::Shared(int fd, uint64_t offset, size_t size) {
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                       static_cast<off_t>(offset));
  if (address == MAP_FAILED) {
    return ErrnoStatus(absl::StrCat("mmap(", size, " bytes at ", offset, ")"));
  }
  return Mapping(static_cast<uint8_t*>(address), size);
}

absl::StatusOr<Mapping> Mapping::Anonymous(size_t size, size_t alignment) {
  ASSIGN_OR_RETURN(uint8_t * reserved, ReserveAligned(size, alignment));
  ASSIGN_OR_RETURN(uint8_t * address,
                   MapFixed(reserved, size,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1));
  return Mapping(address, size);
}

void Mapping::Zero() {
  if (madvise(address_, size_, MADV_DONTNEED) == 0) return;
  std::memset(address_, 0, size_);
}

absl::StatusOr<Mapping> Mapping::SharedAligned(int fd, size_t size,
                                               size_t alignment) {
  ASSIGN_OR_RETURN(uint8_t * reserved, ReserveAligned(size, alignment));
  ASSIGN_OR_RETURN(uint8_t * address, MapFixed(reserved, size, MAP_SHARED, fd));
  return Mapping(address, size);
}

absl::StatusOr<Fd> CreateMemfd(const char* name, uint64_t size) {
  Fd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("memfd_create(", name, ")"));
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return ErrnoStatus(absl::StrCat("ftruncate(", name, ", ", size, ")"));
  }
  // F_SEAL_SEAL: who is given it could forbid others to write, or to punch
  // holes.
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) !=
      0) {
    return ErrnoStatus(absl::StrCat("fcntl(F_ADD_SEALS, ", name, ")"));
  }
  return fd;
}

}  // namespace nacre
