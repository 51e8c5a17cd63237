#include "vmm/testing/register_device.h"

#include <algorithm>
#include <cstring>

namespace nacre::vmm {

void RegisterDevice::Read(uint64_t at, std::span<uint8_t> data) {
  offset = at;
  size = data.size();
  std::memcpy(data.data(), &value, std::min(data.size(), sizeof(value)));
}

void RegisterDevice::Write(uint64_t at, std::span<const uint8_t> data) {
  offset = at;
  size = data.size();
  value = 0;
  std::memcpy(&value, data.data(), std::min(data.size(), sizeof(value)));
  if (on_write_) on_write_(at, value);
}

}  // namespace nacre::vmm
