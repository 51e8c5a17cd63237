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

  void Add(int fd) {
    if (InRange(fd)) marks_[fd].store(next_mark_.fetch_add(1));
  }
  bool Has(int fd) const { return MarkOf(fd) != 0; }
  // It was given to the program.
  void Remove(int fd) { Forget(fd, MarkOf(fd)); }

  // Around a close: Forget(fd, mark) after it, with what MarkOf said before,
  // leaves alone a descriptor that got the number meanwhile.
  uint32_t MarkOf(int fd) const { return InRange(fd) ? marks_[fd].load() : 0; }
  void Forget(int fd, uint32_t mark) {
    if (mark != 0) marks_[fd].compare_exchange_strong(mark, 0);
  }

 private:
  static constexpr int kNumbers = 1 << 16;
  static bool InRange(int fd) { return fd >= 0 && fd < kNumbers; }

  std::atomic<uint32_t> next_mark_{1};
  std::array<std::atomic<uint32_t>, kNumbers> marks_{};
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_OWN_FDS_H_
