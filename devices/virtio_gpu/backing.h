#ifndef NACRE_DEVICES_VIRTIO_GPU_BACKING_H_
#define NACRE_DEVICES_VIRTIO_GPU_BACKING_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "devices/virtio_gpu/command.h"
#include "vmm/guest_memory.h"

namespace nacre::virtio_gpu {

// The guest pages behind a resource (virtio 1.3, 5.7.6.8,
// RESOURCE_ATTACH_BACKING) as one stream of bytes. The guest writes to them at
// any time.
class Backing {
 public:
  // `memory` outlives the backing. InvalidArgument where an entry is not RAM.
  static absl::StatusOr<Backing> Create(const vmm::GuestMemory* memory,
                                        const GuestRanges& entries);

  // In bytes.
  uint64_t size() const { return size_; }
  // Pieces it holds: what it costs us.
  size_t num_pieces() const { return pieces_.size(); }

  // Copies bytes [offset, offset + out.size()). OutOfRange beyond the end.
  absl::Status Read(uint64_t offset, std::span<uint8_t> out) const;

 private:
  struct Piece {
    uint64_t offset;  // In the stream; ends where the next begins.
    uint64_t address;
  };

  explicit Backing(const vmm::GuestMemory* memory) : memory_(memory) {}

  const vmm::GuestMemory* memory_;
  std::vector<Piece> pieces_;  // Ascending by offset, the first at 0.
  uint64_t size_ = 0;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_BACKING_H_
