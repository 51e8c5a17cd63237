#ifndef NACRE_DEVICES_VIRTIO_DESCRIPTOR_CHAIN_H_
#define NACRE_DEVICES_VIRTIO_DESCRIPTOR_CHAIN_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/base/optimization.h"
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
// they are cut into descriptors). Move-only, and cheap to move: a pointer. Read
// it first, then write, then give it back with Virtqueue::Complete; one that is
// dropped otherwise would leak a slot of the driver's ring, which is our bug:
// the destructor CHECKs. Ends before the guest memory does.
class DescriptorChain {
 public:
  // None: as one that was completed, abandoned or moved from.
  DescriptorChain() = default;
  DescriptorChain(DescriptorChain&& other) noexcept = default;
  // The chain assigned to must have been completed or abandoned.
  DescriptorChain& operator=(DescriptorChain&& other) noexcept {
    if (ABSL_PREDICT_FALSE(request_ != nullptr)) DieDropped();
    request_ = std::move(other.request_);
    return *this;
  }
  ~DescriptorChain() {
    if (ABSL_PREDICT_FALSE(request_ != nullptr)) DieDropped();
  }

  // Both at most kMaxChainBytes.
  uint64_t readable_size() const { return request_->readable_size; }
  uint64_t writable_size() const { return request_->writable_size; }
  uint64_t bytes_read() const { return request_->read.done; }
  uint32_t bytes_written() const {
    return static_cast<uint32_t>(request_->write.done);
  }

  // Copies the next out.size() readable bytes. OutOfRange, and nothing
  // consumed, where fewer are left.
  absl::Status Read(std::span<uint8_t> out) {
    // Nearly every time. (Not for none: the difference wraps.)
    if (Position& at = request_->read; out.size() - 1 < at.piece.size()) {
      at.piece.Read(0, out);
      request_->Skip(at, out.size());
      return absl::OkStatus();
    }
    return ReadPieces(out);
  }
  // Appends to the answer. OutOfRange, and nothing written, where it does not
  // fit.
  absl::Status Write(std::span<const uint8_t> in) {
    if (Position& at = request_->write; in.size() - 1 < at.piece.size()) {
      at.piece.Write(0, in);
      request_->Skip(at, in.size());
      return absl::OkStatus();
    }
    return WritePieces(in);
  }

  // Gives the chain up without an answer, for a queue that is being reset or
  // is broken.
  void Abandon() && { request_.reset(); }

 private:
  friend class Virtqueue;
  using Piece = vmm::GuestMemory::Piece;
  struct Position {
    Piece piece;      // What is left of the current one, empty at the end...
    size_t next = 0;  // ... and those behind it.
    size_t end = 0;
    uint64_t done = 0;
  };
  // The queue keeps those of completed chains for new ones.
  struct Request {
    Request* next = nullptr;  // In the queue's list of spare ones.
    uint16_t head = 0;
    uint64_t readable_size = 0;
    uint64_t writable_size = 0;
    Position read;
    Position write;
    // Readable ones first, then the writable ones; none is empty. The vector
    // has room for more.
    std::vector<Piece> pieces;
    size_t num_pieces = 0;

    void Add(const Piece& piece) {
      if (ABSL_PREDICT_FALSE(num_pieces == pieces.size())) Grow();
      pieces[num_pieces++] = piece;
    }
    void Grow();
    // Goes on by at most what is left of the current piece.
    void Skip(Position& at, uint64_t size) {
      at.done += size;
      at.piece = at.piece.Rest(size);
      if (at.piece.size() == 0 && at.next != at.end) {
        at.piece = pieces[at.next++];
      }
    }
  };

  explicit DescriptorChain(std::unique_ptr<Request> request)
      : request_(std::move(request)) {}

  [[noreturn]] static void DieDropped();
  absl::Status ReadPieces(std::span<uint8_t> out);
  absl::Status WritePieces(std::span<const uint8_t> in);

  std::unique_ptr<Request> request_;  // Null when completed or moved from.
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_DESCRIPTOR_CHAIN_H_
