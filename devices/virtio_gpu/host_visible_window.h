#ifndef NACRE_DEVICES_VIRTIO_GPU_HOST_VISIBLE_WINDOW_H_
#define NACRE_DEVICES_VIRTIO_GPU_HOST_VISIBLE_WINDOW_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mapping.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/blob_window.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/limits.h"

namespace nacre::virtio_gpu {

// The host memory behind the host-visible shared memory region: one reserved
// range of this process, all of which the hypervisor shows to the guest once
// and for good. A blob is mapped and then moved over a part of it, and zeroed
// anonymous memory put back when it goes, so that a guest that touches any
// other part, or that one meanwhile, finds memory and stops nobody.
//
// vCPUs use the memory meanwhile. The mmap of blobs lives here and nowhere
// else.
//
// Attack stopped: reading and writing the host's memory by a fault of KVM. On
// arm64 it took mappings of a GPU driver's buffers for contiguous memory: where
// their mmap offset, host address and guest address agreed modulo 2 MiB, the
// guest got 2 MiB of whatever is behind one page of the buffer. The guest
// chooses the place, so they agree when it likes. Mended in 2026 ("Don't use
// the VMA to size stage-2 block mappings"; 6.1.192, 6.12.113 and 7.2.13 have
// it). KVM never does so where host and guest addresses differ modulo 2 MiB:
// hence the window begins one page behind such a multiple, which a guest's
// address of it never does. It costs nothing on real GPUs, whose drivers map
// their buffers page by page.
//
// Maps whole pages of the host and nothing between them: rounding a blob up
// would show bytes behind it, rounding its place would cover a neighbour.
class HostVisibleWindow final : public BlobWindow {
 public:
  // `size` is a power of two of at least a page, or 0 for a window that can
  // hold nothing. Of `limits`, max_mapped_blobs and max_mapped_bytes are its.
  // `page_size` is the host's or, for tests, a larger power of two.
  static absl::StatusOr<HostVisibleWindow> Create(
      uint64_t size, const Limits& limits, uint64_t page_size = HostPageSize());

  HostVisibleWindow(HostVisibleWindow&&) = default;

  // Empty for a window of size 0.
  std::span<uint8_t> host() const override {
    if (!memory_.valid()) return {};
    return memory_.bytes().subspan(page_size_);
  }

  absl::Status Map(uint64_t offset, uint64_t size,
                   const BlobMemory& blob) override;
  absl::Status Unmap(uint64_t offset) override;
  absl::Status Clear() override;
  size_t num_mappings() const override { return mappings_.size(); }
  uint64_t mapped_bytes() const override { return mapped_bytes_; }

 private:
  HostVisibleWindow(Mapping memory, const Limits& limits, uint64_t page_size)
      : memory_(std::move(memory)),
        max_mapped_blobs_(limits.max_mapped_blobs),
        max_mapped_bytes_(limits.max_mapped_bytes),
        page_size_(page_size) {}

  absl::Status RestoreAnonymous(uint64_t offset, uint64_t size);

  Mapping memory_;  // A page, then the window.
  size_t max_mapped_blobs_;
  uint64_t max_mapped_bytes_;
  uint64_t page_size_;
  std::map<uint64_t, uint64_t> mappings_;  // Offset to size, disjoint.
  uint64_t mapped_bytes_ = 0;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_HOST_VISIBLE_WINDOW_H_
