#ifndef NACRE_TOOLS_PRELOAD_OWN_FDS_H_
#define NACRE_TOOLS_PRELOAD_OWN_FDS_H_

#include <array>
#include <atomic>
#include <cstdint>

namespace nacre::preload {

// The descriptors that the library has for itself, because the GPU (and what
// else is not the program) is in the program's process: whoever looks for the
// program's descriptors in /proc/self/fd is not shown them. Of numbers from
// 65536 on nothing is known. Thread-safe.
class OwnFds {
 public:
  static OwnFds& Get();

  void Add(int fd) { Set(fd, true); }
  // Closed, or given to the program. Cheap where it was none of these.
  void Remove(int fd) {
    if (Has(fd)) Set(fd, false);
  }
  bool Has(int fd) const {
    return InRange(fd) &&
           (bits_[fd / 64].load(std::memory_order_relaxed) >> (fd % 64) & 1) !=
               0;
  }

 private:
  static constexpr int kBits = 1 << 16;
  static bool InRange(int fd) { return fd >= 0 && fd < kBits; }
  void Set(int fd, bool own) {
    if (!InRange(fd)) return;
    const uint64_t bit = uint64_t{1} << (fd % 64);
    if (own) {
      bits_[fd / 64].fetch_or(bit, std::memory_order_relaxed);
    } else {
      bits_[fd / 64].fetch_and(~bit, std::memory_order_relaxed);
    }
  }

  std::array<std::atomic<uint64_t>, kBits / 64> bits_{};
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_OWN_FDS_H_
