#ifndef NACRE_NACRE_HOSTILE_GUEST_GUEST_MACHINE_H_
#define NACRE_NACRE_HOSTILE_GUEST_GUEST_MACHINE_H_

#include <cstddef>
#include <cstdint>

// The machine below the guest, without an operating system: what its
// architecture has of its own is in machine_<architecture>.cc.
namespace nacre::hostile_guest {

// One access of exactly this width to a device or to memory that others write.
// A compiler that cannot tell one address from the next makes no instruction
// that also increments it or takes two at once: KVM on arm64 carries out only
// simple ones where there is no memory.
template <typename T>
T Load(uint64_t address) {
  asm("" : "+r"(address));
  return *reinterpret_cast<volatile T*>(address);
}
template <typename T>
void Store(uint64_t address, T value) {
  asm("" : "+r"(address));
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

// RAM. Who runs the guest gives it this much, which its start is a multiple of.
extern const uint64_t kRamStart;
inline constexpr uint64_t kRamSize = 64 << 20;
inline bool InRam(uint64_t address) { return address - kRamStart < kRamSize; }

// PCI configuration space of bus 0, by either mechanism where there are two;
// where there are no ports, ByPort is the other one.
uint64_t EcamOf(uint32_t device);
uint32_t ReadConfigByPort(uint32_t device, uint32_t offset);
void WriteConfigByPort(uint32_t device, uint32_t offset, uint32_t value);
// Room for BARs below 4 GiB, which firmware has given to nobody.
extern const uint64_t kFreePciMemory;

// Where an MSI goes that interrupts the first vCPU, which has interrupts off.
extern const uint64_t kMessageAddress;
inline constexpr uint32_t kMessageData = 0x40;

// The kernel's command line; null where there is none.
const char* CommandLine(uint64_t boot_parameters);

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
