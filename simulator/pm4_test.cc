#include "simulator/pm4.h"

#include "gtest/gtest.h"

namespace nacre::simulator {
namespace {

// Headers that Mesa's encoders give for these packets.
struct CommandVector {
  uint32_t header;
  Opcode opcode;
  uint32_t count;
};

constexpr CommandVector kCommands[] = {
    {0x70108000, Opcode::kNop, 0},
    {0x70100001, Opcode::kNop, 1},
    {0x70268000, Opcode::kWaitForIdle, 0},
    {0x70138000, Opcode::kWaitForMe, 0},
    {0x70928000, Opcode::kWaitMemWrites, 0},
    {0x70BF8003, Opcode::kIndirectBuffer, 3},
    {0x70460001, Opcode::kEventWrite, 1},
    {0x70460004, Opcode::kEventWrite, 4},
    {0x703D8003, Opcode::kMemWrite, 3},
    {0x703E8003, Opcode::kRegToMem, 3},
    {0x702C0001, Opcode::kBlit, 1},
    {0x70E50001, Opcode::kSetMarker, 1},
    {0x70438003, Opcode::kSetDrawState, 3},
    {0x70BC8006, Opcode::kWaitRegMem, 6},
    {0x70B90001, Opcode::kRegTest, 1},
    {0x70C70002, Opcode::kCondRegExec, 2},
};

TEST(Pm4Test, CommandHeadersRoundTrip) {
  for (const CommandVector& vector : kCommands) {
    EXPECT_EQ(EncodeCommand(vector.opcode, vector.count), vector.header);
    const Header header = ParseHeader(vector.header);
    const auto* command = std::get_if<CommandHeader>(&header);
    ASSERT_NE(command, nullptr) << std::hex << vector.header;
    EXPECT_EQ(command->opcode, vector.opcode);
    EXPECT_EQ(command->count, vector.count);
  }
}

struct RegisterVector {
  uint32_t header;
  uint32_t first_register;
  uint32_t count;
};

constexpr RegisterVector kRegisterWrites[] = {
    {0x408C0001, 0x8C00, 1}, {0x48840001, 0x8400, 1}, {0x48840502, 0x8405, 2},
    {0x408C1704, 0x8C17, 4}, {0x488C2C04, 0x8C2C, 4}, {0x48B4C085, 0xB4C0, 5},
    {0x48A98E80, 0xA98E, 0},
};

TEST(Pm4Test, RegisterWriteHeadersRoundTrip) {
  for (const RegisterVector& vector : kRegisterWrites) {
    EXPECT_EQ(EncodeRegisterWrite(vector.first_register, vector.count),
              vector.header);
    const Header header = ParseHeader(vector.header);
    const auto* write = std::get_if<RegisterWriteHeader>(&header);
    ASSERT_NE(write, nullptr) << std::hex << vector.header;
    EXPECT_EQ(write->first_register, vector.first_register);
    EXPECT_EQ(write->count, vector.count);
  }
}

TEST(Pm4Test, EveryFlippedParityBitIsCaught) {
  constexpr uint32_t kCommand = 0x70BF8003;
  constexpr uint32_t kWrite = 0x408C1704;
  for (const uint32_t header : {kCommand ^ 1u << 23, kCommand ^ 1u << 15,
                                kWrite ^ 1u << 27, kWrite ^ 1u << 7}) {
    const Header parsed = ParseHeader(header);
    ASSERT_TRUE(std::holds_alternative<HeaderError>(parsed));
    EXPECT_EQ(std::get<HeaderError>(parsed), HeaderError::kWrongParity);
  }
}

TEST(Pm4Test, OtherTypesAndReservedBitsAreErrors) {
  EXPECT_EQ(std::get<HeaderError>(ParseHeader(0)), HeaderError::kWrongType);
  EXPECT_EQ(std::get<HeaderError>(ParseHeader(0xffffffff)),
            HeaderError::kWrongType);
  EXPECT_EQ(std::get<HeaderError>(ParseHeader(0x70108000 | 1 << 24)),
            HeaderError::kReservedBits);
  EXPECT_EQ(
      std::get<HeaderError>(ParseHeader(EncodeRegisterWrite(1, 1) | 1 << 26)),
      HeaderError::kReservedBits);
}

TEST(Pm4Test, OpcodesHaveNames) {
  EXPECT_EQ(OpcodeName(Opcode::kMemWrite), "CP_MEM_WRITE");
  EXPECT_EQ(OpcodeName(static_cast<Opcode>(0x7b)), "CP_UNKNOWN_0x7b");
}

}  // namespace
}  // namespace nacre::simulator
