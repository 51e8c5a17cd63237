#include "vmm/testing/tiny_kernels.h"

#include "vmm/x86_64/layout.h"
#include "vmm/x86_64/testing/elf_image.h"

namespace nacre::vmm {
namespace {

constexpr uint32_t kKernel = 0x1000000;
constexpr uint8_t kScratchPort = x86_64::kReportPort + 1;

}  // namespace

std::vector<uint8_t> ResettingKernel() {
  const std::vector<uint8_t> code = {0xe4,
                                     kScratchPort,  // in al, kScratchPort
                                     0x84,
                                     0xc0,  // test al, al
                                     0x75,
                                     0x0b,  // jnz second
                                     0xb0,
                                     0x01,  // mov al, 1
                                     0xe6,
                                     kScratchPort,  // out kScratchPort, al
                                     0xb0,
                                     0xfe,  // mov al, 0xfe
                                     0xe6,
                                     0x64,  // out 0x64, al
                                     0xf4,
                                     0xeb,
                                     0xfd,  // hlt, again
                                     0x66,
                                     0xba,  // second: mov dx, kPowerPort
                                     x86_64::kPowerPort & 0xff,
                                     x86_64::kPowerPort >> 8,
                                     0xb0,
                                     0x34,  // mov al, 0x34
                                     0xee,  // out dx, al
                                     0xf4,
                                     0xeb,
                                     0xfd};  // hlt, again
  return x86_64::MakeElf(kKernel, {{kKernel, code, code.size()}});
}

std::vector<uint8_t> SpinningKernel() {
  const std::vector<uint8_t> code = {0x66,
                                     0xba,  // mov dx, kSerialPort
                                     x86_64::kSerialPort & 0xff,
                                     x86_64::kSerialPort >> 8,
                                     0xee,  // out dx, al
                                     0xeb,
                                     0xfe};  // jmp to itself
  return x86_64::MakeElf(kKernel, {{kKernel, code, code.size()}});
}

std::vector<uint8_t> StoringKernel(uint32_t address) {
  const std::vector<uint8_t> code = {
      0xb9, static_cast<uint8_t>(address), static_cast<uint8_t>(address >> 8),
      static_cast<uint8_t>(address >> 16), static_cast<uint8_t>(address >> 24),
      // mov ecx, address
      0x88,
      0x01,         // mov [rcx], al
      0xeb, 0xfe};  // jmp to itself
  return x86_64::MakeElf(kKernel, {{kKernel, code, code.size()}});
}

}  // namespace nacre::vmm
