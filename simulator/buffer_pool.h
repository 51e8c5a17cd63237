#ifndef NACRE_SIMULATOR_BUFFER_POOL_H_
#define NACRE_SIMULATOR_BUFFER_POOL_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "base/page_size.h"
#include "simulator/buffer.h"

namespace nacre::simulator {

// Makes a device's buffers, accounts for them, and recognises the ones that
// come back as dma-bufs. Thread-safe; outlives its buffers.
class BufferPool {
 public:
  struct Usage {
    uint64_t buffers = 0;
    uint64_t buffers_peak = 0;
    uint64_t bytes = 0;
    uint64_t bytes_peak = 0;
  };

  // `memory_limit`: bytes alive at once. `page_size`: HostPageSize() or a
  // larger power of two.
  explicit BufferPool(uint64_t memory_limit,
                      uint64_t page_size = HostPageSize())
      : memory_limit_(memory_limit), page_size_(page_size) {}

  uint64_t page_size() const { return page_size_; }

  // `size` > 0 zeroed bytes, rounded up to whole pages. ENOMEM beyond the
  // limit; whatever memfd_create answers.
  absl::StatusOr<std::shared_ptr<Buffer>> Allocate(uint64_t size,
                                                   uint32_t flags);

  // A descriptor of the buffer's memory, which Import recognises.
  absl::StatusOr<Fd> Export(const std::shared_ptr<Buffer>& buffer);

  // The live buffer that `dmabuf` was exported from, else a new one over the
  // same memory. EBADF for no descriptor; EINVAL for one that is not a memfd
  // sealed against shrinking (touching it could fault) or is empty; ENOMEM.
  absl::StatusOr<std::shared_ptr<Buffer>> Import(int dmabuf);

  Usage usage() const;

 private:
  friend class Buffer;
  using Identity = std::pair<dev_t, ino_t>;

  absl::Status Charge(uint64_t size);
  void Refund(uint64_t size);
  void OnDestroyed(const Buffer& buffer);

  const uint64_t memory_limit_;
  const uint64_t page_size_;
  mutable Mutex mutex_;
  Usage usage_ ABSL_GUARDED_BY(mutex_);
  // Those that were exported or imported.
  std::map<Identity, std::weak_ptr<Buffer>> shared_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_BUFFER_POOL_H_
