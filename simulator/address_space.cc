#include "simulator/address_space.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/checked.h"
#include "base/errno_status.h"

namespace nacre::simulator {

absl::Status AddressSpace::Assign(const std::shared_ptr<Buffer>& buffer,
                                  uint64_t iova) {
  {
    MutexLock lock(mutex_);
    const auto present = by_buffer_.find(buffer.get());
    if (present == by_buffer_.end()) {
      if (iova == 0) return absl::OkStatus();
      if (!IsAligned(iova, page_size_) ||
          !ranges_.Reserve(iova, buffer->size())) {
        return ErrnoStatus(
            ENOSPC, absl::StrFormat("iova %#x for %d bytes, not free here",
                                    iova, buffer->size()));
      }
      Insert(buffer, iova);
      return absl::OkStatus();
    }
    if (present->second.iova == iova) return absl::OkStatus();
    Remove(buffer.get());
  }
  buffer->RemoveObserver(weak_from_this());
  if (iova == 0) return absl::OkStatus();
  return ErrnoStatus(EBUSY,
                     absl::StrFormat("iova %#x for a buffer that had another, "
                                     "which is released now",
                                     iova));
}

absl::StatusOr<uint64_t> AddressSpace::AddressOf(
    const std::shared_ptr<Buffer>& buffer) {
  MutexLock lock(mutex_);
  const auto present = by_buffer_.find(buffer.get());
  if (present != by_buffer_.end()) return present->second.iova;
  const std::optional<uint64_t> iova = ranges_.Allocate(buffer->size());
  if (!iova) {
    return ErrnoStatus(ENOSPC,
                       absl::StrCat("an iova for ", buffer->size(), " bytes"));
  }
  Insert(buffer, *iova);
  return *iova;
}

std::optional<AddressSpace::Translation> AddressSpace::Translate(
    uint64_t iova) const {
  // Outlives the lock: dropping a last reference comes back to OnBufferGone.
  std::shared_ptr<Buffer> buffer;
  MutexLock lock(mutex_);
  auto entry = by_iova_.upper_bound(iova);
  if (entry == by_iova_.begin()) return std::nullopt;
  --entry;
  buffer = entry->second.lock();
  if (buffer == nullptr || iova - entry->first >= buffer->size()) {
    return std::nullopt;
  }
  return Translation{std::move(buffer), entry->first};
}

void AddressSpace::OnBufferGone(const Buffer* buffer) {
  MutexLock lock(mutex_);
  Remove(buffer);
}

void AddressSpace::Insert(const std::shared_ptr<Buffer>& buffer,
                          uint64_t iova) {
  by_iova_[iova] = buffer;
  by_buffer_[buffer.get()] = {iova, buffer->size()};
  buffer->AddObserver(weak_from_this());
  generation_.fetch_add(1, std::memory_order_release);
}

void AddressSpace::Remove(const Buffer* buffer) {
  const auto present = by_buffer_.find(buffer);
  if (present == by_buffer_.end()) return;
  by_iova_.erase(present->second.iova);
  ranges_.Free(present->second.iova, present->second.size);
  by_buffer_.erase(present);
  generation_.fetch_add(1, std::memory_order_release);
}

}  // namespace nacre::simulator
