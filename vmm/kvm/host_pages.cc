#include "vmm/kvm/host_pages.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>

namespace nacre::vmm {

bool HostCanGive(uint64_t address, uint64_t size) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): KVM has addresses as numbers.
  void* const page = reinterpret_cast<void*>(address);
  if (madvise(page, size, MADV_POPULATE_WRITE) == 0) return true;
  if (errno != EINVAL) return false;
  // The kernel reads a signal mask there, before it sees that it is not told
  // what to do with it: where a read of ours would be a SIGBUS, an error.
  constexpr int kNothing = -1;
  constexpr size_t kMaskSize = 8;
  return syscall(SYS_rt_sigprocmask, kNothing, page, nullptr, kMaskSize) == 0 ||
         errno != EFAULT;
}

std::vector<AddressRange> UncertainMemory(AddressRange range) {
  const uint64_t end = range.address + range.size;
  std::vector<AddressRange> uncertain;
  uint64_t start = range.address;  // What is below has been seen to.
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uint64_t from = 0;
    uint64_t to = 0;
    char access[5] = {};
    uint64_t inode = 0;
    // proc(5): also the offset and the device, and the file's name behind.
    if (std::sscanf(line.c_str(),
                    "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %" SCNu64, &from, &to,
                    access, &inode) != 4) {
      return {};
    }
    const bool is_certain =
        inode == 0 && access[0] == 'r' && access[1] == 'w' && to > start;
    if (!is_certain && from < end) continue;
    if (start < std::min(from, end)) {
      uncertain.push_back({start, std::min(from, end) - start});
    }
    start = to;
    if (start >= end) return uncertain;
  }
  // The list ended early: the stack's mapping is behind all that mmap makes.
  return {};
}

}  // namespace nacre::vmm
