#ifndef NACRE_TOOLS_PRELOAD_FD_TABLE_H_
#define NACRE_TOOLS_PRELOAD_FD_TABLE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "tools/preload/open_file.h"

namespace nacre::preload {

// Which of the process's descriptors are ours. The numbers are the kernel's: a
// real descriptor is behind each. Thread-safe; asking about a descriptor that
// is not ours takes no lock, since every ioctl and close of the program asks.
class FdTable {
 public:
  using File = std::shared_ptr<OpenFile>;

  // Null for what is not ours.
  File Find(int fd) const;
  template <typename T>
  std::shared_ptr<T> FindAs(int fd) const {
    return std::dynamic_pointer_cast<T>(Find(fd));
  }

  // Each returns what the number stood for before, if anything: to be dropped
  // by the caller, since an end of a file closes descriptors itself.
  File Insert(int fd, File file);
  File Remove(int fd);
  // Those in [first, last].
  std::vector<File> RemoveRange(unsigned first, unsigned last);

 private:
  // A bit for each of the lowest numbers; those above look into the map.
  static constexpr int kBits = 1 << 16;
  bool MayHave(int fd) const;
  void Mark(int fd, bool ours);

  // Threads with descriptors of their own are not in one another's way.
  struct alignas(64) Shard {
    mutable Mutex mutex;
    absl::flat_hash_map<int, File> files ABSL_GUARDED_BY(mutex);
  };
  static constexpr int kShards = 64;
  Shard& ShardOf(int fd) { return shards_[fd % kShards]; }
  const Shard& ShardOf(int fd) const { return shards_[fd % kShards]; }

  std::array<std::atomic<uint64_t>, kBits / 64> bits_{};
  std::array<Shard, kShards> shards_;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_FD_TABLE_H_
