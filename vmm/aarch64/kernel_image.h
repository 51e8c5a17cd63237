#ifndef NACRE_VMM_AARCH64_KERNEL_IMAGE_H_
#define NACRE_VMM_AARCH64_KERNEL_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"

namespace nacre::vmm::aarch64 {

// How much of a kernel file's beginning ParseKernelImage wants to see.
inline constexpr size_t kKernelHeadSize = 64;

// A kernel file, understood (kernel: Documentation/arch/arm64/booting.rst).
// The whole file goes to memory as it is and is entered at its first byte.
struct KernelImage {
  // Where it begins, from any multiple of kPlacementAlignment.
  uint64_t text_offset = 0;
  // The memory that must be RAM and is the kernel's, from its first byte: the
  // file and the zeroed memory after it.
  uint64_t memory_size = 0;
};

inline constexpr uint64_t kPlacementAlignment = 2 << 20;

// Recognises an arm64 Image, which is what Debian installs as vmlinuz, from
// `head`, the first min(file_size, kKernelHeadSize) bytes of a file. Trusts
// nothing in it. Errors: InvalidArgument, which says what is wrong and would be
// right; kernels in other wrappings (gzip, EFI zboot, ELF) are named.
absl::StatusOr<KernelImage> ParseKernelImage(std::span<const uint8_t> head,
                                             uint64_t file_size);

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_KERNEL_IMAGE_H_
