#include "devices/virtio/testing/guest_ram.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/page_size.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

vmm::GuestMemory CreateMemory(uint64_t size) {
  const vmm::GuestMemory::RegionSpec region{GuestRam::kBase, size};
  absl::StatusOr<vmm::GuestMemory> memory =
      vmm::GuestMemory::Create({&region, 1});
  CHECK(memory.ok()) << memory.status();
  return *std::move(memory);
}

uint64_t RoundedSize(uint64_t size) {
  return std::bit_ceil(std::max<uint64_t>(size, 64));
}

}  // namespace

GuestRam::GuestRam(uint64_t size)
    : memory_(CreateMemory(size)), end_(kBase + size) {}

uint64_t GuestRam::Allocate(uint64_t size) {
  const uint64_t rounded = RoundedSize(size);
  if (std::vector<uint64_t>& free = free_[rounded]; !free.empty()) {
    const uint64_t address = free.back();
    free.pop_back();
    return address;
  }
  const uint64_t alignment = std::min(rounded, kSmallestPageSize);
  next_ = (next_ + alignment - 1) & ~(alignment - 1);
  CHECK_LE(rounded, end_ - next_) << "the test's guest is out of RAM";
  return std::exchange(next_, next_ + rounded);
}

void GuestRam::Free(uint64_t address, uint64_t size) {
  free_[RoundedSize(size)].push_back(address);
}

uint64_t GuestRam::Store(std::span<const uint8_t> bytes) {
  const uint64_t address = Allocate(bytes.size());
  Write(address, bytes);
  return address;
}

void GuestRam::Write(uint64_t address, std::span<const uint8_t> bytes) {
  const absl::Status status = memory_.Write(address, bytes);
  CHECK(status.ok()) << status;
}

std::vector<uint8_t> GuestRam::Read(uint64_t address, uint64_t size) const {
  std::vector<uint8_t> bytes(size);
  const absl::Status status = memory_.Read(address, bytes);
  CHECK(status.ok()) << status;
  return bytes;
}

}  // namespace nacre::virtio
