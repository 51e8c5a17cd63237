#include "simulator/pm4.h"

#include <array>
#include <bit>

#include "absl/strings/str_format.h"

namespace nacre::simulator {
namespace {

constexpr uint32_t kMaxRegister = (1u << 18) - 1;
constexpr uint32_t kMaxCommandCount = (1u << 14) - 1;

// The bit that makes value and bit together have an odd number of ones.
constexpr uint32_t OddParity(uint32_t value) {
  return (std::popcount(value) + 1) & 1;
}

struct Name {
  Opcode opcode;
  const char* name;
};

constexpr Name kNames[] = {
    {Opcode::kNop, "NOP"},
    {Opcode::kWaitMemWrites, "WAIT_MEM_WRITES"},
    {Opcode::kWaitForMe, "WAIT_FOR_ME"},
    {Opcode::kWaitMemGte, "WAIT_MEM_GTE"},
    {Opcode::kGlobalTimestamp, "GLOBAL_TIMESTAMP"},
    {Opcode::kLocalTimestamp, "LOCAL_TIMESTAMP"},
    {Opcode::kThreadControl, "THREAD_CONTROL"},
    {Opcode::kDrawPredEnableGlobal, "DRAW_PRED_ENABLE_GLOBAL"},
    {Opcode::kDrawPredEnableLocal, "DRAW_PRED_ENABLE_LOCAL"},
    {Opcode::kResourceList, "RESOURCE_LIST"},
    {Opcode::kBvBrCountOps, "BV_BR_COUNT_OPS"},
    {Opcode::kModifyTimestamp, "MODIFY_TIMESTAMP"},
    {Opcode::kSkipIb2EnableGlobal, "SKIP_IB2_ENABLE_GLOBAL"},
    {Opcode::kResetContextState, "RESET_CONTEXT_STATE"},
    {Opcode::kSetIndexBuffer, "SET_INDEX_BUFFER"},
    {Opcode::kRegRmw, "REG_RMW"},
    {Opcode::kDrawIndx, "DRAW_INDX"},
    {Opcode::kSkipIb2EnableLocal, "SKIP_IB2_ENABLE_LOCAL"},
    {Opcode::kDrawAuto, "DRAW_AUTO"},
    {Opcode::kDrawIndxIndirectImplicit, "DRAW_INDX_INDIRECT_IMPLICIT"},
    {Opcode::kWaitForIdle, "WAIT_FOR_IDLE"},
    {Opcode::kDrawIndirect, "DRAW_INDIRECT"},
    {Opcode::kDrawIndxIndirect, "DRAW_INDX_INDIRECT"},
    {Opcode::kDrawIndirectMulti, "DRAW_INDIRECT_MULTI"},
    {Opcode::kBlit, "BLIT"},
    {Opcode::kSetUnkBinData, "SET_UNK_BIN_DATA"},
    {Opcode::kSetBinData5Offset, "SET_BIN_DATA5_OFFSET"},
    {Opcode::kSetBinData5, "SET_BIN_DATA5"},
    {Opcode::kRunOpencl, "RUN_OPENCL"},
    {Opcode::kLoadState6Geom, "LOAD_STATE6_GEOM"},
    {Opcode::kExecCs, "EXEC_CS"},
    {Opcode::kLoadState6Frag, "LOAD_STATE6_FRAG"},
    {Opcode::kSetSubdrawSize, "SET_SUBDRAW_SIZE"},
    {Opcode::kLoadState6, "LOAD_STATE6"},
    {Opcode::kIndirectBufferPfd, "INDIRECT_BUFFER_PFD"},
    {Opcode::kDrawIndxOffset, "DRAW_INDX_OFFSET"},
    {Opcode::kRegTest, "REG_TEST"},
    {Opcode::kCcheInvalidate, "CCHE_INVALIDATE"},
    {Opcode::kWaitRegMem, "WAIT_REG_MEM"},
    {Opcode::kMemWrite, "MEM_WRITE"},
    {Opcode::kRegToMem, "REG_TO_MEM"},
    {Opcode::kIndirectBuffer, "INDIRECT_BUFFER"},
    {Opcode::kInterrupt, "INTERRUPT"},
    {Opcode::kExecCsIndirect, "EXEC_CS_INDIRECT"},
    {Opcode::kMemToReg, "MEM_TO_REG"},
    {Opcode::kSetDrawState, "SET_DRAW_STATE"},
    {Opcode::kCondExec, "COND_EXEC"},
    {Opcode::kCondWrite5, "COND_WRITE5"},
    {Opcode::kEventWrite, "EVENT_WRITE"},
    {Opcode::kCondRegExec, "COND_REG_EXEC"},
    {Opcode::kMeInit, "ME_INIT"},
    {Opcode::kMemToScratchMem, "MEM_TO_SCRATCH_MEM"},
    {Opcode::kRegToScratch, "REG_TO_SCRATCH"},
    {Opcode::kScratchWrite, "SCRATCH_WRITE"},
    {Opcode::kScratchToReg, "SCRATCH_TO_REG"},
    {Opcode::kDrawPredSet, "DRAW_PRED_SET"},
    {Opcode::kMemWriteCntr, "MEM_WRITE_CNTR"},
    {Opcode::kStartBin, "START_BIN"},
    {Opcode::kEndBin, "END_BIN"},
    {Opcode::kWaitRegEq, "WAIT_REG_EQ"},
    {Opcode::kSmmuTableUpdate, "SMMU_TABLE_UPDATE"},
    {Opcode::kContextSwitch, "CONTEXT_SWITCH"},
    {Opcode::kSetAmble, "SET_AMBLE"},
    {Opcode::kSetPseudoReg, "SET_PSEUDO_REG"},
    {Opcode::kIndirectBufferChain, "INDIRECT_BUFFER_CHAIN"},
    {Opcode::kContextRegBunch, "CONTEXT_REG_BUNCH"},
    {Opcode::kContextRegBunch2, "CONTEXT_REG_BUNCH2"},
    {Opcode::kSetProtectedMode, "SET_PROTECTED_MODE"},
    {Opcode::kWhereAmI, "WHERE_AM_I"},
    {Opcode::kSetMode, "SET_MODE"},
    {Opcode::kSetVisibilityOverride, "SET_VISIBILITY_OVERRIDE"},
    {Opcode::kSetMarker, "SET_MARKER"},
    {Opcode::kSetSecureMode, "SET_SECURE_MODE"},
    {Opcode::kContextSwitchYield, "CONTEXT_SWITCH_YIELD"},
    {Opcode::kPreemptDisable, "PREEMPT_DISABLE"},
    {Opcode::kRegWrite, "REG_WRITE"},
    {Opcode::kBootstrapUcode, "BOOTSTRAP_UCODE"},
    {Opcode::kWaitTwoRegs, "WAIT_TWO_REGS"},
    {Opcode::kTestTwoMems, "TEST_TWO_MEMS"},
    {Opcode::kRegToMemOffsetReg, "REG_TO_MEM_OFFSET_REG"},
    {Opcode::kMemToMem, "MEM_TO_MEM"},
    {Opcode::kRegToMemOffsetMem, "REG_TO_MEM_OFFSET_MEM"},
    {Opcode::kMemcpy, "MEMCPY"},
    {Opcode::kRegWrNoCtxt, "REG_WR_NO_CTXT"},
    {Opcode::kFixedStrideDrawTable, "FIXED_STRIDE_DRAW_TABLE"},
};

}  // namespace

std::string OpcodeName(Opcode opcode) {
  for (const Name& entry : kNames) {
    if (entry.opcode == opcode) return absl::StrFormat("CP_%s", entry.name);
  }
  return absl::StrFormat("CP_UNKNOWN_0x%02x", static_cast<int>(opcode));
}

Header ParseHeader(uint32_t header) {
  switch (header >> 28) {
    case 4: {
      const RegisterWriteHeader result{.first_register = Field(header, 25, 8),
                                       .count = Field(header, 6, 0)};
      if (Field(header, 27, 27) != OddParity(result.first_register) ||
          Field(header, 7, 7) != OddParity(result.count)) {
        return HeaderError::kWrongParity;
      }
      if (Field(header, 26, 26) != 0) return HeaderError::kReservedBits;
      return result;
    }
    case 7: {
      const uint32_t opcode = Field(header, 22, 16);
      const CommandHeader result{.opcode = static_cast<Opcode>(opcode),
                                 .count = Field(header, 13, 0)};
      if (Field(header, 23, 23) != OddParity(opcode) ||
          Field(header, 15, 15) != OddParity(result.count)) {
        return HeaderError::kWrongParity;
      }
      if (Field(header, 27, 24) != 0 || Field(header, 14, 14) != 0) {
        return HeaderError::kReservedBits;
      }
      return result;
    }
    default:
      return HeaderError::kWrongType;
  }
}

uint32_t EncodeRegisterWrite(uint32_t first_register, uint32_t count) {
  first_register &= kMaxRegister;
  count &= 0x7f;
  return 4u << 28 | OddParity(first_register) << 27 | first_register << 8 |
         OddParity(count) << 7 | count;
}

uint32_t EncodeCommand(Opcode opcode, uint32_t count) {
  const uint32_t op = static_cast<uint32_t>(opcode) & 0x7f;
  count &= kMaxCommandCount;
  return 7u << 28 | OddParity(op) << 23 | op << 16 | OddParity(count) << 15 |
         count;
}

}  // namespace nacre::simulator
