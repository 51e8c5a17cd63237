#ifndef NACRE_BASE_PAGE_SIZE_H_
#define NACRE_BASE_PAGE_SIZE_H_

#include <cstdint>

namespace nacre {

// Two sizes that are equal on x86-64 and need not be on arm64, where a kernel
// has pages of 4, 16 or 64 KiB. Which one a number is a multiple of is never
// "the page size": every use names one of these.

// The smallest page that any guest or host of ours has. For what the guest's
// kernel rounds to, and for formats that say 4096 whoever runs them: the
// smallest multiple that a hostile or a differently built guest can send.
inline constexpr uint64_t kSmallestPageSize = 4096;

// The pages of this process: what mmap, MAP_FIXED, KVM's memory slots and the
// host's GPU driver take and give multiples of. A power of two, at least
// kSmallestPageSize; the same for the life of the process. Any thread.
uint64_t HostPageSize();

// All that kernels of x86-64 and arm64 have, ascending; whole pages of the last
// are whole pages everywhere.
inline constexpr uint64_t kPageSizes[] = {4096, 16384, 65536};
inline constexpr uint64_t kLargestPageSize = 65536;

}  // namespace nacre

#endif  // NACRE_BASE_PAGE_SIZE_H_
