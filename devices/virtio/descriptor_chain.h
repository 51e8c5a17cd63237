#ifndef NACRE_DEVICES_VIRTIO_DESCRIPTOR_CHAIN_H_
#define NACRE_DEVICES_VIRTIO_DESCRIPTOR_CHAIN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "vmm/guest_memory.h"

namespace nacre::virtio {

// A piece of guest memory named by a descriptor; inside RAM when checked.
struct GuestRange {
  uint64_t address = 0;
  uint32_t length = 0;
};

// The most bytes that one chain may name, one less than the spec's 2^32 (2.7.5)
// so that the used length cannot overflow.
inline constexpr uint64_t kMaxChainBytes = 0xffffffff;

// One request of the driver: its readable bytes as one stream, then room for
// the answer as another (virtio 1.x, 2.7.4: no structure may depend on how
// they are cut into descriptors). Move-only. Read it first, then write, then
// give it back with Virtqueue::Complete; one that is dropped otherwise would
// leak a slot of the driver's ring, which is our bug: the destructor CHECKs.
class DescriptorChain {
 public:
  DescriptorChain(DescriptorChain&& other) noexcept;
  // The chain assigned to must have been completed or abandoned.
  DescriptorChain& operator=(DescriptorChain&& other) noexcept;
  ~DescriptorChain();

  // Both at most kMaxChainBytes.
  uint64_t readable_size() const { return readable_size_; }
  uint64_t writable_size() const { return writable_size_; }
  uint64_t bytes_read() const { return read_position_.total; }
  uint32_t bytes_written() const {
    return static_cast<uint32_t>(write_position_.total);
  }

  // Copies the next out.size() readable bytes. OutOfRange, and nothing
  // consumed, where fewer are left.
  absl::Status Read(std::span<uint8_t> out);
  // Appends to the answer. OutOfRange, and nothing written, where it does not
  // fit.
  absl::Status Write(std::span<const uint8_t> in);

  // Gives the chain up without an answer, for a queue that is being reset or
  // is broken.
  void Abandon() && { head_.reset(); }

 private:
  friend class Virtqueue;
  struct Position {
    size_t range = 0;
    uint32_t offset = 0;
    uint64_t total = 0;
  };

  DescriptorChain(const vmm::GuestMemory* memory, uint16_t head,
                  std::vector<GuestRange> storage);

  // Calls visit(address, done, size) for each piece of the next `size` bytes
  // from `position`, which the caller has checked to exist, and moves it on.
  template <typename Visit>
  absl::Status Advance(Position& position, uint64_t size, Visit visit);

  const vmm::GuestMemory* memory_;
  std::optional<uint16_t> head_;  // Empty when completed or moved from.
  // Readable ones first, then the writable ones; none is empty.
  std::vector<GuestRange> ranges_;
  uint64_t readable_size_ = 0;
  uint64_t writable_size_ = 0;
  Position read_position_;
  Position write_position_;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_DESCRIPTOR_CHAIN_H_
