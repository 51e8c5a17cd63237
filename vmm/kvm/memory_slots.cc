#include "vmm/kvm/memory_slots.h"

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/checked.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "vmm/kvm/host_pages.h"
#include "vmm/kvm/kvm_api.h"

namespace nacre::vmm {
namespace {

// That get zeroed memory together, some moments after it was seen that the host
// cannot give them: few, since what a window's owner maps there meanwhile goes.
constexpr uint64_t kMostPagesAtOnce = 256;

bool PutZeroes(AddressRange memory) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): KVM has addresses as numbers.
  return mmap(reinterpret_cast<void*>(memory.address), memory.size,
              PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
              0) != MAP_FAILED;
}

}  // namespace

absl::Status MemorySlots::AddRam(const GuestMemory& memory) {
  MutexLock lock(mutex_);
  for (const GuestMemory::HostRegion& region : memory.host_regions()) {
    RETURN_IF_ERROR(Add(region.guest_address, region.size, region.host_address,
                        /*is_window=*/false));
  }
  return absl::OkStatus();
}

absl::Status MemorySlots::AddWindow(uint64_t guest_address,
                                    std::span<uint8_t> host) {
  MutexLock lock(mutex_);
  return Add(guest_address, host.size(),
             reinterpret_cast<uintptr_t>(host.data()), /*is_window=*/true);
}

absl::Status MemorySlots::RemoveWindow(uint64_t guest_address) {
  MutexLock lock(mutex_);
  const auto it = slots_.find(guest_address);
  if (it == slots_.end()) {
    return absl::NotFoundError(
        absl::StrFormat("no memory slot at guest address %#x", guest_address));
  }
  Slot slot = it->second;
  slot.size = 0;  // Deletes it.
  RETURN_IF_ERROR(Set(guest_address, slot));
  slots_.erase(it);
  return absl::OkStatus();
}

bool MemorySlots::MakeWindowPage(uint64_t guest_address) const {
  MutexLock lock(mutex_);
  const std::optional<uint64_t> page =
      WindowMemory({AlignDown(guest_address, page_size_), page_size_});
  return page && HostCanGive(*page, page_size_);
}

bool MemorySlots::ReplaceWindowPage(uint64_t guest_address) const {
  MutexLock lock(mutex_);
  const std::optional<uint64_t> page =
      WindowMemory({AlignDown(guest_address, page_size_), page_size_});
  return page && PutZeroes({*page, page_size_});
}

bool MemorySlots::ReplaceLostPages(uint64_t& seen,
                                   const std::atomic<bool>& stop) const {
  MutexLock replace_lock(replace_mutex_);
  if (std::exchange(seen, replacements_) != replacements_) return true;
  std::map<uint64_t, Slot> slots;
  {
    MutexLock lock(mutex_);
    slots = slots_;
  }
  bool any = false;
  for (const auto& [guest_address, slot] : slots) {
    if (!slot.is_window) continue;
    for (const AddressRange& uncertain :
         UncertainMemory({slot.host_address, slot.size})) {
      any |= ReplaceLostPagesOf(
          guest_address + (uncertain.address - slot.host_address), uncertain,
          stop);
    }
  }
  if (any) seen = ++replacements_;
  return any;
}

bool MemorySlots::ReplaceLostPagesOf(uint64_t guest_address,
                                     AddressRange memory,
                                     const std::atomic<bool>& stop) const {
  const uint64_t most = kMostPagesAtOnce * page_size_;
  bool any = false;
  AddressRange lost = {memory.address, 0};
  for (uint64_t offset = 0; offset < memory.size && !stop;
       offset += page_size_) {
    const uint64_t page = memory.address + offset;
    const bool is_lost = !HostCanGive(page, page_size_);
    if (is_lost) lost.size += page_size_;
    const bool is_last = offset + page_size_ == memory.size;
    if (lost.size > 0 && (!is_lost || is_last || lost.size == most)) {
      MutexLock lock(mutex_);
      // The window may have moved meanwhile, or be gone.
      any |= WindowMemory({guest_address + (lost.address - memory.address),
                           lost.size}) == lost.address &&
             PutZeroes(lost);
      lost.size = 0;
    }
    if (lost.size == 0) lost.address = page + page_size_;
  }
  return any;
}

absl::Status MemorySlots::MoveTo(int vm) {
  MutexLock lock(mutex_);
  vm_ = vm;
  for (const auto& [guest_address, slot] : slots_) {
    RETURN_IF_ERROR(Set(guest_address, slot));
  }
  return absl::OkStatus();
}

absl::Status MemorySlots::Add(uint64_t guest_address, uint64_t size,
                              uint64_t host_address, bool is_window) {
  if (size == 0 || !IsAligned(size, page_size_) ||
      !IsAligned(guest_address, page_size_) ||
      !IsAligned(host_address, page_size_) ||
      !CheckedAdd(guest_address, size)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "memory slot of %#x bytes at guest address %#x: must be whole pages of "
        "the host, %u bytes each",
        size, guest_address, page_size_));
  }
  const auto next = slots_.lower_bound(guest_address);
  if ((next != slots_.end() && next->first < guest_address + size) ||
      (next != slots_.begin() &&
       std::prev(next)->first + std::prev(next)->second.size > guest_address)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "memory slot of %#x bytes at guest address %#x overlaps another", size,
        guest_address));
  }
  const Slot slot = {FreeId(), size, host_address, is_window};
  RETURN_IF_ERROR(Set(guest_address, slot));
  slots_.emplace(guest_address, slot);
  return absl::OkStatus();
}

absl::Status MemorySlots::Set(uint64_t guest_address, const Slot& slot) {
  kvm_userspace_memory_region region = {};
  region.slot = slot.id;
  region.guest_phys_addr = guest_address;
  region.memory_size = slot.size;
  region.userspace_addr = slot.host_address;
  if (ioctl(vm_, KVM_SET_USER_MEMORY_REGION, &region) != 0) {
    return ErrnoStatus(
        absl::StrFormat("KVM_SET_USER_MEMORY_REGION(%#x bytes at %#x)",
                        slot.size, guest_address));
  }
  return absl::OkStatus();
}

std::optional<uint64_t> MemorySlots::WindowMemory(AddressRange range) const {
  const auto next = slots_.upper_bound(range.address);
  if (next == slots_.begin()) return std::nullopt;
  const auto& [start, slot] = *std::prev(next);
  const uint64_t offset = range.address - start;
  if (!slot.is_window || !RangeFits(offset, range.size, slot.size)) {
    return std::nullopt;
  }
  return slot.host_address + offset;
}

uint32_t MemorySlots::FreeId() const {
  uint32_t id = 0;
  while (std::any_of(slots_.begin(), slots_.end(), [id](const auto& entry) {
    return entry.second.id == id;
  })) {
    ++id;
  }
  return id;
}

}  // namespace nacre::vmm
