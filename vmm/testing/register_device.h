#ifndef NACRE_VMM_TESTING_REGISTER_DEVICE_H_
#define NACRE_VMM_TESTING_REGISTER_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>

#include "vmm/io_device.h"

namespace nacre::vmm {

// Remembers the last access. Calls back with each value written; reads give
// `value`. One vCPU at a time.
class RegisterDevice final : public IoDevice {
 public:
  using OnWrite = std::function<void(uint64_t offset, uint64_t value)>;
  explicit RegisterDevice(OnWrite on_write = nullptr)
      : on_write_(std::move(on_write)) {}

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

  uint64_t value = 0;  // The last written, or to be read.
  uint64_t offset = 0;
  size_t size = 0;

 private:
  const OnWrite on_write_;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_TESTING_REGISTER_DEVICE_H_
