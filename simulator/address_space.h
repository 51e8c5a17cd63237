#ifndef NACRE_SIMULATOR_ADDRESS_SPACE_H_
#define NACRE_SIMULATOR_ADDRESS_SPACE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/page_size.h"
#include "simulator/buffer.h"
#include "simulator/range_allocator.h"

namespace nacre::simulator {

// The GPU's addresses of one open file: which buffer is at which iova. A
// buffer keeps its address until it is released or the buffer itself goes
// (not: until its handle is closed; Linux up to 6.12). Thread-safe: the file's
// thread changes it while the GPU thread translates.
class AddressSpace final : public BufferObserver,
                           public std::enable_shared_from_this<AddressSpace> {
 public:
  // The window is [start, start + size), of whole pages; `page_size` is that of
  // the buffers. Own by shared_ptr.
  AddressSpace(uint64_t start, uint64_t size,
               uint64_t page_size = HostPageSize())
      : page_size_(page_size), ranges_(start, size) {}

  // SET_IOVA (msm_gem.c msm_gem_set_iova): 0 releases; the present address
  // again is fine; another one is EBUSY and the present one is released;
  // ENOSPC where the range is not aligned, not free or not in the window.
  absl::Status Assign(const std::shared_ptr<Buffer>& buffer, uint64_t iova);

  // GET_IOVA, and what a submission does for its buffers: the present address,
  // or a new one by best fit. ENOSPC.
  absl::StatusOr<uint64_t> AddressOf(const std::shared_ptr<Buffer>& buffer);

  struct Translation {
    std::shared_ptr<Buffer> buffer;
    uint64_t start = 0;  // iova of the buffer's first byte.
  };
  // The buffer at `iova`, or nullopt.
  std::optional<Translation> Translate(uint64_t iova) const;

  // Changes whenever an earlier Translate may no longer be right.
  uint64_t generation() const {
    return generation_.load(std::memory_order_acquire);
  }

  void OnBufferGone(const Buffer* buffer) override;

 private:
  void Insert(const std::shared_ptr<Buffer>& buffer, uint64_t iova)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(const Buffer* buffer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint64_t page_size_;
  mutable Mutex mutex_;
  RangeAllocator ranges_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::weak_ptr<Buffer>> by_iova_ ABSL_GUARDED_BY(mutex_);
  struct Range {
    uint64_t iova;
    uint64_t size;
  };
  absl::flat_hash_map<const Buffer*, Range> by_buffer_ ABSL_GUARDED_BY(mutex_);
  std::atomic<uint64_t> generation_{0};
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_ADDRESS_SPACE_H_
