#include "devices/virtio/descriptor_chain.h"

#include <algorithm>
#include <cstdlib>

#include "absl/base/attributes.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

ABSL_ATTRIBUTE_NOINLINE absl::Status TooMuch(const char* what, uint64_t wanted,
                                             uint64_t size, uint64_t done) {
  return absl::OutOfRangeError(absl::StrFormat(
      "%d bytes %s behind the first %d of %d", wanted, what, done, size));
}

// Calls copy(piece, offset, size) for what of the next `total` bytes from
// `position`, which the caller has checked to exist, lies at the start of each
// piece, and moves on.
template <typename Request, typename Position, typename Copy>
void Advance(Request& request, Position& position, size_t total, Copy copy) {
  for (size_t offset = 0; offset < total;) {
    const size_t size = std::min<size_t>(position.piece.size(), total - offset);
    copy(position.piece, offset, size);
    request.Skip(position, size);
    offset += size;
  }
}

}  // namespace

void DescriptorChain::DieDropped() {
  LOG(FATAL) << "descriptor chain dropped or overwritten, not completed";
  std::abort();
}

void DescriptorChain::Request::Grow() {
  constexpr size_t kFirst = 8;
  pieces.resize(std::max(kFirst, 2 * pieces.size()));
}

absl::Status DescriptorChain::ReadPieces(std::span<uint8_t> out) {
  Request& request = *request_;
  if (ABSL_PREDICT_FALSE(out.size() >
                         request.readable_size - request.read.done)) {
    return TooMuch("to read", out.size(), request.readable_size,
                   request.read.done);
  }
  Advance(request, request.read, out.size(),
          [out](const Piece& piece, size_t offset, size_t size) {
            piece.Read(0, out.subspan(offset, size));
          });
  return absl::OkStatus();
}

absl::Status DescriptorChain::WritePieces(std::span<const uint8_t> in) {
  Request& request = *request_;
  if (ABSL_PREDICT_FALSE(in.size() >
                         request.writable_size - request.write.done)) {
    return TooMuch("to write", in.size(), request.writable_size,
                   request.write.done);
  }
  Advance(request, request.write, in.size(),
          [in](const Piece& piece, size_t offset, size_t size) {
            piece.Write(0, in.subspan(offset, size));
          });
  return absl::OkStatus();
}

}  // namespace nacre::virtio
