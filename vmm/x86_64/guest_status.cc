#include "vmm/x86_64/guest_status.h"

namespace nacre::vmm::x86_64 {

void GuestStatusDevice::Read(uint64_t, std::span<uint8_t> data) {
  data[0] = status().value_or(0);
}

void GuestStatusDevice::Write(uint64_t, std::span<const uint8_t> data) {
  MutexLock lock(mutex_);
  status_ = data[0];
}

std::optional<uint8_t> GuestStatusDevice::status() const {
  MutexLock lock(mutex_);
  return status_;
}

}  // namespace nacre::vmm::x86_64
