#include "nacre/hostile_guest/guest/machine.h"

// Numbers are those of vmm/aarch64/layout.h, as the device tree would give
// them.

extern "C" uint8_t SecondCpuEntry[];

namespace nacre::hostile_guest {
namespace {

constexpr uint64_t kConsole = 0x09000000;
constexpr uint64_t kReport = 0x09020000 + 0xf4;
constexpr uint64_t kEcam = 0x3f000000;
constexpr uint64_t kIts = 0x08080000;
constexpr uint64_t kSecondCpu = 1;  // Its MPIDR.

// PSCI (Arm DEN 0022).
constexpr uint32_t kCpuOn = 0xc4000003;
constexpr uint32_t kSystemOff = 0x84000008;

int64_t Psci(uint32_t function, uint64_t argument = 0, uint64_t entry = 0) {
  register uint64_t x0 asm("x0") = function;
  register uint64_t x1 asm("x1") = argument;
  register uint64_t x2 asm("x2") = entry;
  register uint64_t x3 asm("x3") = 0;
  asm volatile("hvc #0"
               : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
               :
               : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
                 "x14", "x15", "x16", "x17", "memory");
  return static_cast<int64_t>(x0);
}

// Of the flattened device tree (Devicetree Specification, 5).
constexpr uint64_t kStructureOffset = 8;
constexpr uint64_t kStringsOffset = 12;
constexpr uint32_t kBeginNode = 1;
constexpr uint32_t kProperty = 3;
constexpr uint32_t kEnd = 9;

uint32_t Cell(uint64_t address) {
  return __builtin_bswap32(Load<uint32_t>(address));
}

bool Equal(const char* a, const char* b) {
  while (*a != 0 && *a == *b) ++a, ++b;
  return *a == *b;
}

}  // namespace

const uint64_t kRamStart = 0x40000000;
const uint64_t kFreePciMemory = 0x10000000;
const uint64_t kMessageAddress = kIts + 0x10040;  // GITS_TRANSLATER

void Pause() { asm volatile("yield"); }

uint64_t EcamOf(uint32_t device) { return kEcam + (uint64_t{device} << 15); }

uint32_t ReadConfigByPort(uint32_t device, uint32_t offset) {
  return Load<uint32_t>(EcamOf(device) + offset);
}

void WriteConfigByPort(uint32_t device, uint32_t offset, uint32_t value) {
  Store<uint32_t>(EcamOf(device) + offset, value);
}

// The only property of its name.
const char* CommandLine(uint64_t boot_parameters) {
  const uint64_t strings =
      boot_parameters + Cell(boot_parameters + kStringsOffset);
  uint64_t at = boot_parameters + Cell(boot_parameters + kStructureOffset);
  for (uint32_t token = 0; (token = Cell(at)) != kEnd;) {
    at += 4;
    if (token == kBeginNode) {
      while (Load<uint8_t>(at) != 0) ++at;
      at = (at + 4) & ~uint64_t{3};
    } else if (token == kProperty) {
      const uint32_t length = Cell(at);
      const auto* const value = reinterpret_cast<const char*>(at + 8);
      if (Equal(reinterpret_cast<const char*>(strings + Cell(at + 4)),
                "bootargs")) {
        return value;
      }
      at = (at + 8 + length + 3) & ~uint64_t{3};
    }
  }
  return nullptr;
}

// While it is still on its way off from the last time, that is refused.
void StartSecondCpu() {
  while (Psci(kCpuOn, kSecondCpu, AddressOf(SecondCpuEntry)) != 0) Pause();
}

void Print(char c) { Store(kConsole, static_cast<uint8_t>(c)); }

void PowerOff(uint8_t status) {
  Store(kReport, status);
  Psci(kSystemOff);
  for (;;) asm volatile("wfi");
}

}  // namespace nacre::hostile_guest

extern "C" {

// Byte by byte, for which no compiler calls these.
void* memcpy(void* to, const void* from, size_t size) {
  using namespace nacre::hostile_guest;
  for (size_t i = 0; i < size; ++i) {
    Store(AddressOf(to) + i, Load<uint8_t>(AddressOf(from) + i));
  }
  return to;
}

void* memset(void* to, int value, size_t size) {
  using namespace nacre::hostile_guest;
  for (size_t i = 0; i < size; ++i) {
    Store(AddressOf(to) + i, static_cast<uint8_t>(value));
  }
  return to;
}

}  // extern "C"
