#ifndef NACRE_VMM_X86_64_TESTING_ELF_IMAGE_H_
#define NACRE_VMM_X86_64_TESTING_ELF_IMAGE_H_

#include <cstdint>
#include <vector>

namespace nacre::vmm::x86_64 {

struct ElfSegment {
  uint64_t address = 0;
  std::vector<uint8_t> bytes;
  uint64_t memory_size = 0;
};

// An x86-64 ELF executable such as a vmlinux: headers, then the segments'
// bytes.
std::vector<uint8_t> MakeElf(uint64_t entry,
                             const std::vector<ElfSegment>& segments);

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_TESTING_ELF_IMAGE_H_
