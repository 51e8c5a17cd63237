#ifndef NACRE_VMM_AARCH64_TESTING_IMAGE_H_
#define NACRE_VMM_AARCH64_TESTING_IMAGE_H_

#include <cstdint>
#include <cstring>
#include <vector>

namespace nacre::vmm::aarch64 {

// The header that an arm64 Image begins with (kernel:
// Documentation/arch/arm64/booting.rst, section 4).
struct TestImageHeader {
  uint32_t code[2] = {0x14000010, 0};  // b 64, past the header
  uint64_t text_offset = 0;
  uint64_t image_size = 0x10000;
  uint64_t flags = 0x0a;  // Little-endian, pages of 4 KiB, anywhere in RAM.
  uint64_t reserved[3] = {};
  uint32_t magic = 0x644d5241;
  uint32_t pe_offset = 0;
};
static_assert(sizeof(TestImageHeader) == 64);

// An Image whose kernel is `code`, A64 instructions.
inline std::vector<uint8_t> MakeImage(const std::vector<uint32_t>& code,
                                      const TestImageHeader& header = {}) {
  std::vector<uint8_t> file(sizeof(header) + code.size() * sizeof(uint32_t));
  std::memcpy(file.data(), &header, sizeof(header));
  if (!code.empty()) {
    std::memcpy(file.data() + sizeof(header), code.data(),
                code.size() * sizeof(uint32_t));
  }
  return file;
}

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_TESTING_IMAGE_H_
