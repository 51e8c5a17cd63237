#include "vmm/guest_report.h"

#include <algorithm>

namespace nacre::vmm {

void GuestReport::Read(uint64_t offset, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0);
  MutexLock lock(mutex_);
  data[0] = offset == kStatus ? status_.value_or(0) : scratch_;
}

void GuestReport::Write(uint64_t offset, std::span<const uint8_t> data) {
  if (data.size() != 1) return;
  MutexLock lock(mutex_);
  if (offset == kStatus) {
    status_ = data[0];
  } else {
    scratch_ = data[0];
  }
}

std::optional<uint8_t> GuestReport::status() const {
  MutexLock lock(mutex_);
  return status_;
}

}  // namespace nacre::vmm
