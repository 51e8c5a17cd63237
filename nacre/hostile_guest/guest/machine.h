#ifndef NACRE_NACRE_HOSTILE_GUEST_GUEST_MACHINE_H_
#define NACRE_NACRE_HOSTILE_GUEST_GUEST_MACHINE_H_

#include <cstddef>
#include <cstdint>

// The machine below the guest, without an operating system: what its
// architecture has of its own is in machine_<architecture>.cc.
namespace nacre::hostile_guest {

// One access of exactly this width to a device or to memory that others write.
template <typename T>
T Load(uint64_t address) {
  return *reinterpret_cast<volatile T*>(address);
}
template <typename T>
void Store(uint64_t address, T value) {
  *reinterpret_cast<volatile T*>(address) = value;
}
template <typename T>
uint64_t AddressOf(T* object) {
  return reinterpret_cast<uint64_t>(object);
}

// Orders everything before against everything after, for the device too.
inline void Fence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

// In a loop that waits for the other CPU.
void Pause();

// PCI configuration space of bus 0, by either mechanism where there are two.
uint64_t EcamOf(uint32_t device);
uint32_t ReadConfigByPort(uint32_t device, uint32_t offset);
void WriteConfigByPort(uint32_t device, uint32_t offset, uint32_t value);
// Room for BARs below 4 GiB, which firmware has given to nobody.
inline constexpr uint64_t kFreePciMemory = 0xd0000000;

// Where an MSI interrupts the first vCPU, which has interrupts off.
inline constexpr uint64_t kMessageAddress = 0xfee00000;
inline constexpr uint32_t kMessageData = 0x40;

// `number` from "name=number" on the kernel's command line, or `otherwise`.
uint64_t CommandLineNumber(uint64_t boot_parameters, const char* name,
                           uint64_t otherwise);

// Starts the second vCPU, which is not running, at SecondCpuMain, on a stack of
// its own. It halts when that returns.
void StartSecondCpu();
extern "C" void SecondCpuMain();

// One character on the console.
void Print(char c);

// The status byte of vmm/guest_report.h, then off.
[[noreturn]] void PowerOff(uint8_t status);

}  // namespace nacre::hostile_guest

// What a compiler may call though the source does not.
extern "C" {
void* memcpy(void* to, const void* from, size_t size);
void* memset(void* to, int value, size_t size);
}

#endif  // NACRE_NACRE_HOSTILE_GUEST_GUEST_MACHINE_H_
