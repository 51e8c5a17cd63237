#include "devices/virtio/descriptor_chain.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio {

DescriptorChain::DescriptorChain(const vmm::GuestMemory* memory, uint16_t head,
                                 std::vector<GuestRange> storage)
    : memory_(memory), head_(head), ranges_(std::move(storage)) {
  ranges_.clear();
}

DescriptorChain::DescriptorChain(DescriptorChain&& other) noexcept
    : memory_(other.memory_),
      head_(std::exchange(other.head_, std::nullopt)),
      ranges_(std::move(other.ranges_)),
      readable_size_(other.readable_size_),
      writable_size_(other.writable_size_),
      read_position_(other.read_position_),
      write_position_(other.write_position_) {}

DescriptorChain& DescriptorChain::operator=(DescriptorChain&& other) noexcept {
  if (this == &other) return *this;
  CHECK(!head_.has_value()) << "descriptor chain overwritten, not completed";
  memory_ = other.memory_;
  head_ = std::exchange(other.head_, std::nullopt);
  ranges_ = std::move(other.ranges_);
  readable_size_ = other.readable_size_;
  writable_size_ = other.writable_size_;
  read_position_ = other.read_position_;
  write_position_ = other.write_position_;
  return *this;
}

DescriptorChain::~DescriptorChain() {
  CHECK(!head_.has_value()) << "descriptor chain dropped, not completed";
}

template <typename Visit>
absl::Status DescriptorChain::Advance(Position& position, uint64_t size,
                                      Visit visit) {
  for (uint64_t done = 0; done < size;) {
    const GuestRange& range = ranges_[position.range];
    const uint64_t piece =
        std::min<uint64_t>(range.length - position.offset, size - done);
    RETURN_IF_ERROR(visit(range.address + position.offset, done, piece));
    done += piece;
    position.total += piece;
    position.offset += static_cast<uint32_t>(piece);
    if (position.offset == range.length) {
      ++position.range;
      position.offset = 0;
    }
  }
  return absl::OkStatus();
}

absl::Status DescriptorChain::Read(std::span<uint8_t> out) {
  if (out.size() > readable_size_ - read_position_.total) {
    return absl::OutOfRangeError(absl::StrFormat(
        "request of %d bytes: %d more wanted after the first %d",
        readable_size_, out.size(), read_position_.total));
  }
  return Advance(read_position_, out.size(),
                 [&](uint64_t address, uint64_t done, uint64_t size) {
                   return memory_->Read(address, out.subspan(done, size));
                 });
}

absl::Status DescriptorChain::Write(std::span<const uint8_t> in) {
  if (in.size() > writable_size_ - write_position_.total) {
    return absl::OutOfRangeError(absl::StrFormat(
        "room for an answer of %d bytes: %d more to write after the first %d",
        writable_size_, in.size(), write_position_.total));
  }
  return Advance(write_position_, in.size(),
                 [&](uint64_t address, uint64_t done, uint64_t size) {
                   return memory_->Write(address, in.subspan(done, size));
                 });
}

}  // namespace nacre::virtio
