#include "nacre/hostile_guest/guest/machine.h"

// Numbers are those of vmm/x86_64/layout.h, as firmware tables would give them.

extern "C" {
extern uint8_t trampoline[];
extern uint8_t trampoline_end[];
extern uint8_t trampoline_gdt[];
extern uint8_t trampoline_cr3[];
}

namespace nacre::hostile_guest {
namespace {

constexpr uint64_t kEcam = 0xe0000000;
constexpr uint16_t kConfigAddress = 0xcf8;
constexpr uint16_t kConfigData = 0xcfc;
constexpr uint16_t kConsole = 0x3f8;
constexpr uint16_t kReport = 0xf4;
constexpr uint16_t kPower = 0x600;
constexpr uint8_t kSoftOff = 0x34;
constexpr uint64_t kLocalApic = 0xfee00000;
constexpr uint64_t kInterruptCommand = kLocalApic + 0x300;
constexpr uint32_t kInitToOthers = 0x000c4500;
constexpr uint32_t kStartToOthers = 0x000c4600;
constexpr uint64_t kTrampoline = 0x8000;
constexpr uint64_t kCommandLinePointer = 0x228;  // In the boot parameters.

void Out8(uint16_t port, uint8_t value) {
  asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
void Out32(uint16_t port, uint32_t value) {
  asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}
uint32_t In32(uint16_t port) {
  uint32_t value;
  asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

}  // namespace

const uint64_t kRamStart = 0;
const uint64_t kFreePciMemory = 0xd0000000;
const uint64_t kMessageAddress = kLocalApic;

void Pause() { asm volatile("pause"); }

uint64_t EcamOf(uint32_t device) { return kEcam + (uint64_t{device} << 15); }

uint32_t ReadConfigByPort(uint32_t device, uint32_t offset) {
  Out32(kConfigAddress, 0x80000000 | device << 11 | offset);
  return In32(kConfigData);
}

void WriteConfigByPort(uint32_t device, uint32_t offset, uint32_t value) {
  Out32(kConfigAddress, 0x80000000 | device << 11 | offset);
  Out32(kConfigData, value);
}

const char* CommandLine(uint64_t boot_parameters) {
  return reinterpret_cast<const char*>(
      uint64_t{Load<uint32_t>(boot_parameters + kCommandLinePointer)});
}

void StartSecondCpu() {
  asm volatile("sgdt (%0)" : : "r"(trampoline_gdt) : "memory");
  uint64_t cr3;
  asm volatile("mov %%cr3, %0" : "=r"(cr3));
  Store(AddressOf(trampoline_cr3), cr3);
  for (const uint8_t* from = trampoline; from < trampoline_end; ++from) {
    Store(kTrampoline + static_cast<uint64_t>(from - trampoline), *from);
  }
  Store(kInterruptCommand, kInitToOthers);
  Store(kInterruptCommand,
        kStartToOthers | static_cast<uint32_t>(kTrampoline >> 12));
}

void Print(char c) { Out8(kConsole, static_cast<uint8_t>(c)); }

void PowerOff(uint8_t status) {
  Out8(kReport, status);
  Out8(kPower, kSoftOff);
  for (;;) asm volatile("hlt");
}

}  // namespace nacre::hostile_guest

extern "C" {

void* memcpy(void* to, const void* from, size_t size) {
  void* const result = to;
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return result;
}

void* memset(void* to, int value, size_t size) {
  void* const result = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
  return result;
}

}  // extern "C"
