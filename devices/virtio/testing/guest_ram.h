#ifndef NACRE_DEVICES_VIRTIO_TESTING_GUEST_RAM_H_
#define NACRE_DEVICES_VIRTIO_TESTING_GUEST_RAM_H_

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "vmm/guest_memory.h"

namespace nacre::virtio {

// Real guest memory, and what a guest kernel has on top of it: an allocator.
// Failures are the test's own and CHECK. Not thread-safe.
class GuestRam {
 public:
  // Away from 0, so that a null address is outside RAM.
  static constexpr uint64_t kBase = 0x4000'0000;
  static constexpr uint64_t kDefaultSize = uint64_t{64} * 1024 * 1024;

  explicit GuestRam(uint64_t size = kDefaultSize);

  const vmm::GuestMemory& memory() const { return memory_; }
  // The first address past RAM.
  uint64_t end() const { return end_; }

  // `size` bytes aligned to their size rounded up to a power of two, or to a
  // page if that is less; contents are whatever was there.
  uint64_t Allocate(uint64_t size);
  // What Allocate(size) gave; it may come back from the next Allocate.
  void Free(uint64_t address, uint64_t size);

  // Allocates and fills.
  uint64_t Store(std::span<const uint8_t> bytes);

  void Write(uint64_t address, std::span<const uint8_t> bytes);
  std::vector<uint8_t> Read(uint64_t address, uint64_t size) const;
  template <WireType T>
  void WriteValue(uint64_t address, const T& value) {
    Write(address, AsBytes(value));
  }
  template <WireType T>
  T ReadValue(uint64_t address) const {
    return *memory_.ReadValue<T>(address);
  }

 private:
  vmm::GuestMemory memory_;
  uint64_t end_;
  uint64_t next_ = kBase;
  std::map<uint64_t, std::vector<uint64_t>> free_;  // By rounded size.
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_TESTING_GUEST_RAM_H_
