#include "devices/virtio_gpu/backing.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "base/checked.h"
#include "base/status_macros.h"

namespace nacre::virtio_gpu {

absl::StatusOr<Backing> Backing::Create(const vmm::GuestMemory* memory,
                                        const GuestRanges& entries) {
  Backing backing(memory);
  backing.pieces_.reserve(entries.size());
  uint64_t next_address = 0;
  for (const virtio::GuestRange& entry : entries) {
    if (!memory->Contains(entry.address, entry.length)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("memory entry of %u bytes at %#x: must be in RAM",
                          entry.length, entry.address));
    }
    if (backing.pieces_.empty() || entry.address != next_address) {
      backing.pieces_.push_back({backing.size_, entry.address});
    }
    next_address = entry.address + entry.length;
    backing.size_ += entry.length;
  }
  backing.pieces_.shrink_to_fit();
  return backing;
}

absl::Status Backing::Read(uint64_t offset, std::span<uint8_t> out) const {
  if (!RangeFits(offset, out.size(), size_)) {
    return absl::OutOfRangeError(absl::StrFormat(
        "bytes [%u, +%u) of a backing of %u", offset, out.size(), size_));
  }
  if (out.empty()) return absl::OkStatus();
  auto piece = std::upper_bound(
      pieces_.begin(), pieces_.end(), offset,
      [](uint64_t value, const Piece& p) { return value < p.offset; });
  --piece;
  while (!out.empty()) {
    const auto next = piece + 1;
    const uint64_t end = next == pieces_.end() ? size_ : next->offset;
    const size_t length = std::min<uint64_t>(out.size(), end - offset);
    RETURN_IF_ERROR(memory_->Read(piece->address + (offset - piece->offset),
                                  out.first(length)));
    out = out.subspan(length);
    offset += length;
    piece = next;
  }
  return absl::OkStatus();
}

}  // namespace nacre::virtio_gpu
