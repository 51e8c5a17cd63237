#include "vmm/io_bus.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_format.h"
#include "base/checked.h"

namespace nacre::vmm {
namespace {

constexpr uint64_t kLargestAccess = 8;

}  // namespace

absl::Status IoBus::Insert(uint64_t base, uint64_t size, IoDevice* device) {
  if (size == 0 || !CheckedAdd(base, size)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("I/O range [%#x, +%#x) is empty or wraps", base, size));
  }
  MutexLock lock(mutex_);
  const auto next = ranges_.lower_bound(base);
  const bool overlaps_next = next != ranges_.end() && next->first < base + size;
  const bool overlaps_previous =
      next != ranges_.begin() &&
      std::prev(next)->first + std::prev(next)->second.size > base;
  if (overlaps_next || overlaps_previous) {
    return absl::AlreadyExistsError(absl::StrFormat(
        "I/O range [%#x, +%#x) overlaps another device's", base, size));
  }
  ranges_.emplace_hint(next, base, Range{size, device});
  return absl::OkStatus();
}

absl::Status IoBus::Remove(uint64_t base) {
  MutexLock lock(mutex_);
  if (ranges_.erase(base) == 0) {
    return absl::NotFoundError(
        absl::StrFormat("no I/O range begins at %#x", base));
  }
  return absl::OkStatus();
}

void IoBus::Read(uint64_t address, std::span<uint8_t> data) {
  Target target;
  {
    MutexLock lock(mutex_);
    target = Find(address, data.size());
    if (target.device == nullptr) ++unmatched_reads_;
  }
  if (target.device == nullptr) {
    std::fill(data.begin(), data.end(), 0xff);
    return;
  }
  target.device->Read(target.offset, data);
}

void IoBus::Write(uint64_t address, std::span<const uint8_t> data) {
  Target target;
  {
    MutexLock lock(mutex_);
    target = Find(address, data.size());
    if (target.device == nullptr) ++unmatched_writes_;
  }
  if (target.device != nullptr) target.device->Write(target.offset, data);
}

uint64_t IoBus::unmatched_reads() const {
  MutexLock lock(mutex_);
  return unmatched_reads_;
}

uint64_t IoBus::unmatched_writes() const {
  MutexLock lock(mutex_);
  return unmatched_writes_;
}

IoBus::Target IoBus::Find(uint64_t address, uint64_t size) {
  // KVM splits an access that crosses a page, so the guest can cause any size
  // up to 8; devices are promised powers of two.
  if (!IsPowerOfTwo(size) || size > kLargestAccess) return {};
  const auto next = ranges_.upper_bound(address);
  if (next == ranges_.begin()) return {};
  const auto& [base, range] = *std::prev(next);
  if (!RangeFits(address - base, size, range.size)) return {};
  return {range.device, address - base};
}

}  // namespace nacre::vmm
