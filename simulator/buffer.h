#ifndef NACRE_SIMULATOR_BUFFER_H_
#define NACRE_SIMULATOR_BUFFER_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/mapping.h"
#include "base/mutex.h"
#include "simulator/reservation.h"

namespace nacre::simulator {

class BufferPool;
class Buffer;

// Told, without locks held, when a buffer's last reference has gone.
class BufferObserver {
 public:
  virtual ~BufferObserver() = default;
  virtual void OnBufferGone(const Buffer* buffer) = 0;
};

// A GEM object: a sealed memfd of whole pages (BufferPool::page_size). Lives
// while a handle of any file or an unretired submission refers to it
// (shared_ptr). Thread-safe.
class Buffer {
 public:
  // Made by BufferPool.
  Buffer(BufferPool& pool, Fd memfd, uint64_t size, uint32_t flags)
      : pool_(pool), memfd_(std::move(memfd)), size_(size), flags_(flags) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  int fd() const { return memfd_.get(); }
  uint64_t size() const { return size_; }
  uint32_t flags() const { return flags_; }  // MSM_BO_*; 0 for imports.
  Reservation& reservation() { return reservation_; }

  // What userspace notes about the object, the same in every file that has it:
  // a name for debugging, and bytes whose meaning is its own (GEM_INFO
  // SET_NAME, SET_METADATA).
  void set_name(std::string name);
  std::string name() const;
  void set_metadata(std::vector<uint8_t> metadata);
  std::vector<uint8_t> metadata() const;

  void AddObserver(const std::weak_ptr<BufferObserver>& observer);
  void RemoveObserver(const std::weak_ptr<BufferObserver>& observer);

  // The GPU's view of the memory. Made, used and dropped by the GPU thread,
  // while it holds a reference; see GpuMemory.
  Mapping& gpu_mapping() { return gpu_mapping_; }

 private:
  friend class BufferPool;

  BufferPool& pool_;
  // Once shared; guarded by the pool's lock.
  std::optional<std::pair<dev_t, ino_t>> identity_;
  const Fd memfd_;
  const uint64_t size_;
  const uint32_t flags_;
  Reservation reservation_;
  Mapping gpu_mapping_;

  mutable Mutex mutex_;
  std::vector<std::weak_ptr<BufferObserver>> observers_ ABSL_GUARDED_BY(mutex_);
  std::string name_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint8_t> metadata_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_BUFFER_H_
