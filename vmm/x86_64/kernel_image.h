#ifndef NACRE_VMM_X86_64_KERNEL_IMAGE_H_
#define NACRE_VMM_X86_64_KERNEL_IMAGE_H_

#include <asm/bootparam.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace nacre::vmm::x86_64 {

// How much of a kernel file's beginning ParseKernelImage wants to see: it
// holds the boot sector and setup header of a bzImage, and the program headers
// of any ELF file that a linker writes.
inline constexpr size_t kKernelHeadSize = 16 * 1024;

// A kernel file, understood: what goes where in guest-physical memory and how
// it is entered by the 64-bit boot protocol (kernel:
// Documentation/arch/x86/boot.rst).
struct KernelImage {
  struct Segment {
    uint64_t file_offset;
    uint64_t file_size;
    uint64_t address;
  };
  std::vector<Segment> segments;  // Within the file; do not overlap in memory.
  // [start, end) must be RAM and is the kernel's: segments, the zeroed memory
  // after them, and what it needs to unpack itself. Below 4 GiB.
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t entry = 0;
  // A bzImage's own, or what fits a vmlinux.
  setup_header header = {};
};

// Recognises a bzImage or an ELF vmlinux from `head`, the first
// min(file_size, kKernelHeadSize) bytes of a file. Trusts nothing in it.
// Errors: InvalidArgument, which says what is wrong and would be right.
absl::StatusOr<KernelImage> ParseKernelImage(std::span<const uint8_t> head,
                                             uint64_t file_size);

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_KERNEL_IMAGE_H_
