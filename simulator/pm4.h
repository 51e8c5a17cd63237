#ifndef NACRE_SIMULATOR_PM4_H_
#define NACRE_SIMULATOR_PM4_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace nacre::simulator {

// PM4 as a6xx and a7xx command processors read it. Sources: Mesa
// src/freedreno/registers/adreno/adreno_pm4.xml, whose names (without CP_) the
// opcodes have.

// Bits high..low of a dword, as the XML gives fields; a single bit.
constexpr uint32_t Field(uint32_t value, int high, int low) {
  return (value >> low) & ((2u << (high - low)) - 1);
}
constexpr bool Bit(uint32_t value, int bit) {
  return ((value >> bit) & 1) != 0;
}

// Type 7 opcodes that we do something with, or that are known to need nothing.
enum class Opcode : uint8_t {
  kNop = 0x10,
  kWaitMemWrites = 0x12,
  kWaitForMe = 0x13,
  kWaitMemGte = 0x14,  // a7xx: WAIT_TIMESTAMP.
  kGlobalTimestamp = 0x15,
  kLocalTimestamp = 0x16,
  kThreadControl = 0x17,
  kResourceList = 0x18,
  kDrawPredEnableGlobal = 0x19,
  kDrawPredEnableLocal = 0x1a,
  kBvBrCountOps = 0x1b,
  kModifyTimestamp = 0x1c,
  kSkipIb2EnableGlobal = 0x1d,
  kResetContextState = 0x1f,
  kSetIndexBuffer = 0x20,
  kRegRmw = 0x21,
  kDrawIndx = 0x22,
  kSkipIb2EnableLocal = 0x23,
  kDrawAuto = 0x24,
  kDrawIndxIndirectImplicit = 0x25,
  kWaitForIdle = 0x26,
  kDrawIndirect = 0x28,
  kDrawIndxIndirect = 0x29,
  kDrawIndirectMulti = 0x2a,
  kBlit = 0x2c,
  kSetUnkBinData = 0x2d,
  kSetBinData5Offset = 0x2e,
  kSetBinData5 = 0x2f,
  kRunOpencl = 0x31,
  kLoadState6Geom = 0x32,
  kExecCs = 0x33,
  kLoadState6Frag = 0x34,
  kSetSubdrawSize = 0x35,
  kLoadState6 = 0x36,
  kIndirectBufferPfd = 0x37,
  kDrawIndxOffset = 0x38,
  kRegTest = 0x39,
  kCcheInvalidate = 0x3a,
  kWaitRegMem = 0x3c,
  kMemWrite = 0x3d,
  kRegToMem = 0x3e,
  kIndirectBuffer = 0x3f,
  kInterrupt = 0x40,
  kExecCsIndirect = 0x41,
  kMemToReg = 0x42,
  kSetDrawState = 0x43,
  kCondExec = 0x44,
  kCondWrite5 = 0x45,
  kEventWrite = 0x46,
  kCondRegExec = 0x47,
  kMeInit = 0x48,
  kMemToScratchMem = 0x49,
  kRegToScratch = 0x4a,
  kScratchWrite = 0x4c,
  kScratchToReg = 0x4d,
  kDrawPredSet = 0x4e,
  kMemWriteCntr = 0x4f,
  kStartBin = 0x50,
  kEndBin = 0x51,
  kWaitRegEq = 0x52,
  kSmmuTableUpdate = 0x53,
  kContextSwitch = 0x54,
  kSetAmble = 0x55,
  kSetPseudoReg = 0x56,
  kIndirectBufferChain = 0x57,
  kContextRegBunch = 0x5c,
  kContextRegBunch2 = 0x5d,
  kSetProtectedMode = 0x5f,
  kWhereAmI = 0x62,
  kSetMode = 0x63,
  kSetVisibilityOverride = 0x64,
  kSetMarker = 0x65,
  kSetSecureMode = 0x66,
  kContextSwitchYield = 0x6b,
  kPreemptDisable = 0x6c,
  kRegWrite = 0x6d,
  kBootstrapUcode = 0x6f,
  kWaitTwoRegs = 0x70,
  kTestTwoMems = 0x71,
  kRegToMemOffsetReg = 0x72,
  kMemToMem = 0x73,
  kRegToMemOffsetMem = 0x74,
  kMemcpy = 0x75,
  kRegWrNoCtxt = 0x78,
  kFixedStrideDrawTable = 0x7f,
};

// "CP_MEM_WRITE"; "CP_UNKNOWN_0x7b" for an opcode that is none of the above.
std::string OpcodeName(Opcode opcode);

// Type 4: `count` dwords follow, for consecutive registers.
struct RegisterWriteHeader {
  uint32_t first_register;  // Dword offset, 18 bits.
  // 0..127. gallium writes no output register of a shader without outputs.
  uint32_t count;
};

// Type 7: `count` dwords follow.
struct CommandHeader {
  Opcode opcode;   // Any 7-bit value.
  uint32_t count;  // 0..16383
};

enum class HeaderError {
  kWrongType,     // Neither type 4 nor type 7.
  kWrongParity,   // A parity bit does not match its field.
  kReservedBits,  // A bit that is always 0 is 1.
};

using Header = std::variant<HeaderError, RegisterWriteHeader, CommandHeader>;
Header ParseHeader(uint32_t header);

// The inverse, for tests and fuzz seeds. Values beyond their fields' widths are
// cut.
uint32_t EncodeRegisterWrite(uint32_t first_register, uint32_t count);
uint32_t EncodeCommand(Opcode opcode, uint32_t count);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_PM4_H_
