#ifndef NACRE_BASE_MAPPING_H_
#define NACRE_BASE_MAPPING_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "base/fd.h"

namespace nacre {

// Owns a range of this process's address space: unmapped on destruction.
// Whether its bytes are ours or shared with a guest is for the owner to say;
// shared bytes change at any moment and are copied, never parsed in place.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  // MAP_SHARED of `size` bytes of `fd` from `offset` (a multiple of the page
  // size), readable and writable.
  static absl::StatusOr<Mapping> Shared(int fd, uint64_t offset, size_t size);

  // `size` bytes of zeroed private memory, populated on first touch and not
  // counted against overcommit; `alignment` is a power of two >= a page.
  static absl::StatusOr<Mapping> Anonymous(size_t size, size_t alignment);

  // As Anonymous, but MAP_SHARED over `fd`, for alignment beyond a page.
  static absl::StatusOr<Mapping> SharedAligned(int fd, size_t size,
                                               size_t alignment);

  // Zeroes memory of Anonymous, and gives the host its pages back.
  void Zero();

  bool valid() const { return address_ != nullptr; }
  uint8_t* data() const { return address_; }
  size_t size() const { return size_; }
  std::span<uint8_t> bytes() const { return {address_, size_}; }

 private:
  Mapping(uint8_t* address, size_t size) : address_(address), size_(size) {}

  uint8_t* address_ = nullptr;
  size_t size_ = 0;
};

// A new memfd of `size` zeroed bytes, close-on-exec, sealed against shrinking
// and growing, so that no holder of the fd can make a mapping of it fault, and
// against more seals, which would keep others from writing.
absl::StatusOr<Fd> CreateMemfd(const char* name, uint64_t size);

}  // namespace nacre

#endif  // NACRE_BASE_MAPPING_H_
