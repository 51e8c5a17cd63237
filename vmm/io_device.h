#ifndef NACRE_VMM_IO_DEVICE_H_
#define NACRE_VMM_IO_DEVICE_H_

#include <cstdint>
#include <span>

namespace nacre::vmm {

// Something that answers the guest's loads and stores in a range of port or
// memory-mapped I/O space.
//
// Called on vCPU threads, several at a time: implementations lock for
// themselves and return quickly, for the vCPU waits. `offset` is from the start
// of the range and, with the size, lies within it; the size is 1, 2, 4 or 8.
// Both are otherwise the guest's choice.
class IoDevice {
 public:
  virtual ~IoDevice() = default;
  // Fills all of `data`: what a device does not implement reads as zero.
  virtual void Read(uint64_t offset, std::span<uint8_t> data) = 0;
  virtual void Write(uint64_t offset, std::span<const uint8_t> data) = 0;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_IO_DEVICE_H_
