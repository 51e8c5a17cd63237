#ifndef NACRE_VMM_AARCH64_TESTING_CODE_H_
#define NACRE_VMM_AARCH64_TESTING_CODE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "vmm/aarch64/testing/tiny_guest.h"

// The few instructions that tiny guests are made of, put together with +. By
// convention x0 is an address and x1 (w1) the value that goes there.
namespace nacre::vmm::aarch64 {

using Code = std::vector<uint32_t>;

inline Code operator+(Code a, const Code& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// movz xN, #...; movk xN, #..., lsl #16; and so on to lsl #48
inline Code Move(uint32_t n, uint64_t value) {
  const auto part = [&](int i) {
    return static_cast<uint32_t>(value >> (16 * i) & 0xffff) << 5 | n;
  };
  return {0xd2800000 | part(0), 0xf2a00000 | part(1), 0xf2c00000 | part(2),
          0xf2e00000 | part(3)};
}

inline const Code kIncrement = {0x11000421};        // add w1, w1, #1
inline const Code kSpin = {0x14000000};             // b .
inline const Code kHypervisorCall = {0xd4000002};   // hvc #0
inline const Code kArgumentToValue = {0xaa0003e1};  // mov x1, x0
inline const Code kExceptionLevel = {0xd5384241};   // mrs x1, CurrentEL
inline const Code kExceptionMask = {0xd53b4221};    // mrs x1, daif
inline const Code kSystemControl = {0xd5381001};    // mrs x1, sctlr_el1
inline const Code kAffinity = {0xd53800a1};         // mrs x1, mpidr_el1
inline const Code kSetTimer = {0xd51be301};         // msr cntv_tval_el0, x1
inline const Code kControlTimer = {0xd51be321};     // msr cntv_ctl_el0, x1

inline Code Load8(uint64_t address) {
  return Move(0, address) + Code{0x39400001};  // ldrb w1, [x0]
}
inline Code Load64(uint64_t address) {
  return Move(0, address) + Code{0xf9400001};  // ldr x1, [x0]
}
inline Code LoadPair(uint64_t address) {
  return Move(0, address) + Code{0x29400801};  // ldp w1, w2, [x0]
}
inline Code Store8(uint64_t address) {
  return Move(0, address) + Code{0x39000001};  // strb w1, [x0]
}
inline Code Store16(uint64_t address) {
  return Move(0, address) + Code{0x79000001};  // strh w1, [x0]
}
inline Code Store32(uint64_t address) {
  return Move(0, address) + Code{0xb9000001};  // str w1, [x0]
}
inline Code Store64(uint64_t address) {
  return Move(0, address) + Code{0xf9000001};  // str x1, [x0]
}
// Until the word there is not zero.
inline Code WaitFor(uint64_t address) {
  return Move(0, address) + Code{0xb9400001,   // ldr w1, [x0]
                                 0x34ffffe1};  // cbz w1, .-4
}

// Forward over so many instructions, where w1 is not zero.
inline Code SkipIfNotZero(size_t count) {  // cbnz w1, .+4*(count+1)
  return {0x35000001 | static_cast<uint32_t>(count + 1) << 5};
}

// PSCI (Arm DEN 0022), 5.1: function numbers.
inline constexpr uint32_t kPsciCpuOn = 0xc4000003;
inline constexpr uint32_t kPsciSystemOff = 0x84000008;
inline constexpr uint32_t kPsciSystemReset = 0x84000009;

inline const Code kPowerOff = Move(0, kPsciSystemOff) + kHypervisorCall + kSpin;
inline const Code kReset = Move(0, kPsciSystemReset) + kHypervisorCall + kSpin;

inline const Code kDone = Store8(TinyGuest::kDone) + kSpin;

// For the CPU interface of a GICv3: takes every interrupt, of group 1.
inline const Code kEnableInterrupts =
    Move(1, 0xff) + Code{0xd5184601} +  // msr icc_pmr_el1, x1
    Move(1, 1) + Code{0xd518cce1};      // msr icc_igrpen1_el1, x1
// Waits for an interrupt, which needs no handler where it is masked,
// acknowledges it and ends it; x1 is its number.
inline const Code kTakeInterrupt = {
    0xd538cc01,   // mrs x1, icc_iar1_el1
    0x710ffc3f,   // cmp w1, #1023, which stands for none
    0x54ffffc0,   // b.eq .-8
    0xd518cc21};  // msr icc_eoir1_el1, x1

// Writes 32-bit registers from a list of addresses and values, 64 bits each,
// which ends with address 0.
inline Code WriteRegisters(uint64_t list) {
  return Move(0, list) + Code{0xa8c10c02,   // ldp x2, x3, [x0], #16
                              0xb4000062,   // cbz x2, .+12
                              0xb9000043,   // str w3, [x2]
                              0x17fffffd};  // b .-12
}

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_TESTING_CODE_H_
