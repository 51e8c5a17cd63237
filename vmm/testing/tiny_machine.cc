#include "vmm/testing/tiny_machine.h"

#include <fstream>

#include "gtest/gtest.h"

namespace nacre::vmm {

MachineConfig TinyMachine(std::span<const uint8_t> kernel) {
  MachineConfig config;
  config.vcpus = 2;
  config.memory = DefaultMemoryLayout(uint64_t{64} << 20);
  config.kernel_path = testing::TempDir() + "/kernel";
  std::ofstream(config.kernel_path, std::ios::binary)
      .write(reinterpret_cast<const char*>(kernel.data()),
             static_cast<std::streamsize>(kernel.size()));
  return config;
}

}  // namespace nacre::vmm
