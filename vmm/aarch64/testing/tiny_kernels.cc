#include "vmm/testing/tiny_kernels.h"

#include "vmm/aarch64/layout.h"
#include "vmm/aarch64/testing/code.h"
#include "vmm/aarch64/testing/image.h"

namespace nacre::vmm {

std::vector<uint8_t> ResettingKernel() {
  using namespace aarch64;
  constexpr uint64_t kScratchPort = kPciIo.address + kReportPort + 1;
  const Code first = Move(1, 1) + Store8(kScratchPort) + kReset;
  return MakeImage(Load8(kScratchPort) + SkipIfNotZero(first.size()) + first +
                   kPowerOff);
}

std::vector<uint8_t> SpinningKernel() {
  using namespace aarch64;
  return MakeImage(Store8(kSerial.address) + kSpin);
}

std::vector<uint8_t> StoringKernel(uint32_t address) {
  using namespace aarch64;
  return MakeImage(Store8(address) + kSpin);
}

}  // namespace nacre::vmm
