#include "simulator/command_processor.h"

#include <memory>
#include <vector>

#include "simulator/cp_fixture.h"
#include "simulator/test_client.h"

namespace nacre::simulator {
namespace {

class CommandProcessorTest : public CpFixture {
 protected:
  explicit CommandProcessorTest(Generation generation = Generation::kA6xx)
      : processor_(CommandProcessor::Create(
                       {.generation = generation,
                        .hang_timeout = std::chrono::milliseconds(1),
                        .work_limit = 100'000})
                       .value()) {}

  // Places a stream into the buffer, after those placed before.
  IndirectBuffer Place(const Stream& stream) {
    const size_t at = next_;
    for (const uint32_t dword : stream.dwords()) Dword(next_++) = dword;
    return {IovaOf(at), static_cast<uint32_t>(stream.dwords().size())};
  }
  Hang Run(const Stream& stream) {
    const IndirectBuffer buffer = Place(stream);
    const Hang hang = processor_->Run(space_, {&buffer, 1});
    stats_ = processor_->TakeStats();
    return hang;
  }

  // Of SET_DRAW_STATE.
  static constexpr uint32_t kAllModes = 7u << 20;
  static uint32_t Lo(uint64_t iova) { return Low(iova); }
  static uint32_t Hi(uint64_t iova) { return High(iova); }

  // Results go here; streams start behind.
  static constexpr size_t kFirstStream = 0x400;
  size_t next_ = kFirstStream;
  std::unique_ptr<CommandProcessor> processor_;
  CommandProcessorStats stats_;
};

TEST_F(CommandProcessorTest, RunsBuffersInOrder) {
  const std::vector<IndirectBuffer> buffers = {
      Place(Stream().Store(IovaOf(0), 1)), Place(Stream().Store(IovaOf(0), 2))};
  EXPECT_EQ(processor_->Run(space_, buffers), Hang::kNone);
  EXPECT_EQ(Dword(0), 2u);
  EXPECT_EQ(processor_->TakeStats().indirect_buffers, 2u);
}

TEST_F(CommandProcessorTest, RegisterWritesAreConsecutive) {
  EXPECT_EQ(Run(Stream()
                    .Registers(0x8c20, {5, 6})
                    .Command(Opcode::kRegToMem,
                             {0x8c20 | 2 << 18, Lo(kIova), Hi(kIova)})),
            Hang::kNone);
  EXPECT_EQ(Dword(0), 5u);
  EXPECT_EQ(Dword(1), 6u);
}

// abi D.9: the fence write.
TEST_F(CommandProcessorTest, FenceWriteVector) {
  EXPECT_EQ(
      Run(Stream().Raw({0x70460004, 0x00000004, Lo(kIova), Hi(kIova), 0xcafe})),
      Hang::kNone);
  EXPECT_EQ(Dword(0), 0xcafeu);
  EXPECT_EQ(Dword(1), 0u);
}

// abi D.9: the GMEM clear, of a GPU that has no GMEM: beyond its end.
TEST_F(CommandProcessorTest, EngineWorkThatCannotBeIsCounted) {
  EXPECT_EQ(Run(Stream()
                    .Raw({0x48880001, 0x202, 0x4888D102, 0, 0x001F003F})
                    .Raw({0x48889001, 0, 0x4888D701, 0x1800, 0x4088E301, 0xF2})
                    .Raw({0x4088D601, 0, 0x4088DF04, 0x44332211, 0, 0, 0})
                    .Raw({0x70460001, 0x1E})),
            Hang::kNone);
  EXPECT_EQ(stats_.resolves_not_executed, 1u);
  EXPECT_EQ(stats_.memory_writes, 0u);
  EXPECT_EQ(Dword(0), 0u);
}

TEST_F(CommandProcessorTest, IndirectBuffersNestAndReturn) {
  const IndirectBuffer inner = Place(Stream().Store(IovaOf(1), 2));
  const IndirectBuffer outer = Place(Stream()
                                         .Store(IovaOf(0), 1)
                                         .Call(inner.iova, inner.dwords)
                                         .Store(IovaOf(2), 3));
  EXPECT_EQ(Run(Stream().Call(outer.iova, outer.dwords).Store(IovaOf(3), 4)),
            Hang::kNone);
  for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(Dword(i), i + 1);
  EXPECT_EQ(stats_.indirect_buffers, 3u);
}

TEST_F(CommandProcessorTest, AChainIsAJump) {
  const IndirectBuffer second = Place(Stream().Store(IovaOf(1), 2));
  const IndirectBuffer first =
      Place(Stream()
                .Store(IovaOf(0), 1)
                .Command(Opcode::kIndirectBufferChain,
                         {Lo(second.iova), Hi(second.iova), second.dwords})
                .Store(IovaOf(2), 3));
  EXPECT_EQ(Run(Stream().Call(first.iova, first.dwords).Store(IovaOf(3), 4)),
            Hang::kNone);
  EXPECT_EQ(Dword(1), 2u);
  EXPECT_EQ(Dword(2), 0u);
  EXPECT_EQ(Dword(3), 4u);
}

// From Mesa adreno_pm4.xml, CP_REG_TEST: the buffer is entered only if bit 0
// of the register is set.
TEST_F(CommandProcessorTest, PredicatedIndirectBuffer) {
  const IndirectBuffer body = Place(Stream().Store(IovaOf(0), 1));
  for (const uint32_t bit : {0u, 1u}) {
    Dword(0) = 0;
    EXPECT_EQ(Run(Stream()
                      .Registers(0xc10, {bit})
                      .Raw({0x70b90001, 0x00000c10})
                      .Raw({0x70c70002, 0x10000000, 0x00000004})
                      .Call(body.iova, body.dwords)
                      .Store(IovaOf(1), 1)),
              Hang::kNone);
    EXPECT_EQ(Dword(0), bit);
    EXPECT_EQ(Dword(1), 1u);
  }
}

TEST_F(CommandProcessorTest, ASkipEndsWithItsBuffer) {
  EXPECT_EQ(Run(Stream()
                    .Command(Opcode::kCondExec, {0, 0, 0, 0, 0, 0xffffffff})
                    .Store(IovaOf(0), 1)),
            Hang::kNone);
  EXPECT_EQ(Dword(0), 0u);
}

TEST_F(CommandProcessorTest, DrawStateRunsBeforeTheNextDrawInOrderOfGroups) {
  // Each group appends its number: result = result * 4 + number, in a register.
  const auto group = [this](uint32_t number) {
    return Place(Stream().Command(Opcode::kRegRmw,
                                  {0x8c20 | 2 << 24 | 1u << 29, ~0u, number}));
  };
  const IndirectBuffer one = group(1);
  const IndirectBuffer two = group(2);
  const Stream draws =
      Stream()
          .Command(
              Opcode::kSetDrawState,
              {two.dwords | kAllModes | 9u << 24, Lo(two.iova), Hi(two.iova),
               one.dwords | kAllModes | 3u << 24, Lo(one.iova), Hi(one.iova)})
          .Store(IovaOf(1), 0)
          .Command(Opcode::kDrawIndxOffset, {0, 1, 3})
          .Command(Opcode::kDrawIndxOffset, {0, 1, 3})
          .Command(Opcode::kRegToMem, {0x8c20, Lo(kIova), Hi(kIova)});
  EXPECT_EQ(Run(draws), Hang::kNone);
  EXPECT_EQ(Dword(0), 1u * 4 + 2);
  EXPECT_EQ(stats_.draws_not_executed, 2u);
  EXPECT_EQ(stats_.indirect_buffers, 3u);
}

// Conditional rendering: what hardware would not draw is nothing that is
// missing.
TEST_F(CommandProcessorTest, DrawsThatThePredicateDropsAreNotCounted) {
  constexpr uint32_t kPassIfNotZero = 5 << 4;
  const IndirectBuffer group = Place(Stream().Store(IovaOf(1), 7));
  EXPECT_EQ(
      Run(Stream()
              .Command(Opcode::kDrawPredEnableGlobal, {1})
              .Command(Opcode::kDrawPredSet,
                       {kPassIfNotZero, Lo(kIova), Hi(kIova)})
              .Command(Opcode::kSetDrawState, {group.dwords | kAllModes,
                                               Lo(group.iova), Hi(group.iova)})
              .Command(Opcode::kDrawIndxOffset, {0, 1, 3})
              .Command(Opcode::kExecCs, {0, 1, 1, 1})
              .Command(Opcode::kDrawPredEnableLocal, {0})
              .Command(Opcode::kDrawIndxOffset, {0, 1, 3})),
      Hang::kNone);
  EXPECT_EQ(stats_.draws_not_executed, 1u);
  EXPECT_EQ(stats_.dispatches_not_executed, 0u);
  EXPECT_EQ(stats_.packets, 8u);
  // State is the same either way.
  EXPECT_EQ(Dword(1), 7u);
}

TEST_F(CommandProcessorTest, DrawStateSelectsByModeAndRunsAgainInAnother) {
  constexpr uint32_t kBinningOnly = 1u << 20;
  constexpr uint32_t kGmemOnly = 2u << 20;
  const auto add = [this](uint32_t amount) {
    return Place(
        Stream().Command(Opcode::kRegRmw, {0x8c20 | 1u << 29, ~0u, amount}));
  };
  const IndirectBuffer binning = add(1);
  const IndirectBuffer gmem = add(0x100);
  const IndirectBuffer both = add(0x10000);
  EXPECT_EQ(
      Run(Stream()
              .Command(Opcode::kSetDrawState,
                       {binning.dwords | kBinningOnly, Lo(binning.iova),
                        Hi(binning.iova), gmem.dwords | kGmemOnly | 1u << 24,
                        Lo(gmem.iova), Hi(gmem.iova),
                        both.dwords | kBinningOnly | kGmemOnly | 2u << 24,
                        Lo(both.iova), Hi(both.iova)})
              .Command(Opcode::kSetMarker, {2})
              .Command(Opcode::kDrawIndxOffset, {0, 1, 3})
              .Command(Opcode::kSetMarker, {4})
              .Command(Opcode::kDrawIndxOffset, {0, 1, 3})
              .Command(Opcode::kRegToMem, {0x8c20, Lo(kIova), Hi(kIova)})),
      Hang::kNone);
  EXPECT_EQ(Dword(0), 0x20101u);
}

TEST_F(CommandProcessorTest, DisabledGroupsDoNotRun) {
  const IndirectBuffer group = Place(Stream().Store(IovaOf(0), 1));
  const Stream set = Stream().Command(
      Opcode::kSetDrawState,
      {group.dwords | kAllModes | 5u << 24, Lo(group.iova), Hi(group.iova)});
  constexpr uint32_t kDisable = 1 << 17 | 5u << 24;
  constexpr uint32_t kDisableAll = 1 << 18;
  for (const uint32_t disable : {kDisable, kDisableAll, 5u << 24}) {
    Stream stream = set;
    stream.Command(Opcode::kSetDrawState, {disable, 0, 0})
        .Command(Opcode::kExecCs, {0, 1, 1, 1});
    EXPECT_EQ(Run(stream), Hang::kNone);
    EXPECT_EQ(Dword(0), 0u);
    EXPECT_EQ(stats_.dispatches_not_executed, 1u);
  }
}

TEST_F(CommandProcessorTest, ImmediateGroupsRunAtOnce) {
  constexpr uint32_t kImmediate = 1 << 19;
  const IndirectBuffer first = Place(Stream().Store(IovaOf(0), 1));
  const IndirectBuffer second = Place(Stream().Store(IovaOf(0), 2));
  EXPECT_EQ(
      Run(Stream()
              .Command(Opcode::kSetDrawState,
                       {second.dwords | kAllModes | kImmediate | 2u << 24,
                        Lo(second.iova), Hi(second.iova),
                        first.dwords | kAllModes | kImmediate | 1u << 24,
                        Lo(first.iova), Hi(first.iova)})
              .Command(Opcode::kMemToMem, {0, Lo(IovaOf(1)), Hi(IovaOf(1)),
                                           Lo(IovaOf(0)), Hi(IovaOf(0))})),
      Hang::kNone);
  EXPECT_EQ(Dword(1), 2u);
}

TEST_F(CommandProcessorTest, UnknownPacketsAreCountedByName) {
  EXPECT_EQ(Run(Stream()
                    .Command(static_cast<Opcode>(0x7b), {1, 2, 3})
                    .Command(static_cast<Opcode>(0x7b), {})
                    .Command(Opcode::kStartBin, {1, 0, 0, 0, 0})
                    .Command(Opcode::kThreadControl, {1})
                    .Store(IovaOf(0), 1)),
            Hang::kNone);
  EXPECT_EQ(stats_.packets_not_executed,
            (std::map<std::string, uint64_t>{{"CP_UNKNOWN_0x7b", 2},
                                             {"CP_START_BIN", 1},
                                             {"CP_THREAD_CONTROL", 1}}));
  EXPECT_EQ(Dword(0), 1u);
}

TEST_F(CommandProcessorTest, NopsIgnoreTheirPayload) {
  EXPECT_EQ(Run(Stream().Command(Opcode::kNop, {0, 0xffffffff, 0x703D8003})),
            Hang::kNone);
  EXPECT_EQ(stats_.packets, 1u);
}

// OpenCL's among them: what gallium sends for kernels.
TEST_F(CommandProcessorTest, DispatchesAreCounted) {
  EXPECT_EQ(Run(Stream()
                    .Command(Opcode::kExecCs, {0, 1, 1, 1})
                    .Command(Opcode::kExecCsIndirect, {0, 0, 0, 0})
                    .Command(Opcode::kRunOpencl, {0})),
            Hang::kNone);
  EXPECT_EQ(stats_.dispatches_not_executed, 3u);
  EXPECT_EQ(stats_.packets_not_executed.size(), 0u);
}

class ThreadsTest : public CommandProcessorTest {
 protected:
  ThreadsTest() : CommandProcessorTest(Generation::kA7xx) {}
};

TEST_F(ThreadsTest, CondRegExecSelectsByThread) {
  constexpr uint32_t kThreadMode = 5u << 28;
  constexpr uint32_t kBv = 1 << 25;
  constexpr uint32_t kBr = 1 << 26;
  Stream stream;
  size_t result = 0;
  for (const uint32_t thread : {1u, 2u, 3u}) {
    stream.Command(Opcode::kThreadControl, {thread});
    for (const uint32_t mask : {kBr, kBv}) {
      stream.Command(Opcode::kCondRegExec, {kThreadMode | mask, 4})
          .Store(IovaOf(result++), 1);
    }
  }
  EXPECT_EQ(Run(stream), Hang::kNone);
  const std::vector<uint32_t> expected = {1, 0, 0, 1, 1, 1};
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(Dword(i), expected[i]);
}

// What ends a submission (abi C.9).
TEST_F(CommandProcessorTest, MalformedStreamsEndAndAreNamed) {
  const struct {
    Stream stream;
    Hang hang;
  } kCases[] = {
      {Stream().Raw({0}), Hang::kPacketType},
      {Stream().Raw({0x703D0003, 0, 0, 0}), Hang::kParity},
      {Stream().Raw({0x71108000}), Hang::kReservedBits},
      {Stream().Raw({EncodeCommand(Opcode::kMemWrite, 100)}),
       Hang::kPacketBeyondBuffer},
      {Stream().Command(Opcode::kIndirectBuffer, {0}), Hang::kShortPacket},
      {Stream().Command(Opcode::kSetDrawState, {0, 0}), Hang::kShortPacket},
      {Stream().Call(kUnmapped, 1), Hang::kPacketType},
      {Stream().Command(Opcode::kWaitMemGte, {0, Lo(kIova), Hi(kIova), 1}),
       Hang::kWait},
  };
  for (const auto& test : kCases) {
    Stream stream = test.stream;
    EXPECT_EQ(Run(stream.Store(IovaOf(0), 1)), test.hang);
    EXPECT_EQ(Dword(0), 0u);
    EXPECT_EQ(stats_.hangs, (std::map<std::string, uint64_t>{
                                {std::string(HangName(test.hang)), 1}}));
  }
}

TEST_F(CommandProcessorTest, EndlessNestingEnds) {
  const uint64_t self = IovaOf(next_);
  EXPECT_EQ(Run(Stream().Call(self, 4)), Hang::kNesting);
}

TEST_F(CommandProcessorTest, EndlessLoopsEnd) {
  const uint64_t chain = IovaOf(next_);
  EXPECT_EQ(Run(Stream().Command(Opcode::kIndirectBufferChain,
                                 {Lo(chain), Hi(chain), 4})),
            Hang::kWorkLimit);
  // A chain to an empty buffer ends by itself.
  EXPECT_EQ(Run(Stream().Command(Opcode::kIndirectBufferChain,
                                 {Lo(chain), Hi(chain), 0})),
            Hang::kNone);
  // A group that makes itself due again before every draw.
  const uint64_t group = IovaOf(next_);
  const Stream set = Stream().Command(Opcode::kSetDrawState,
                                      {4 | kAllModes, Lo(group), Hi(group)});
  Place(set);
  Stream stream = set;
  EXPECT_EQ(Run(stream.Command(Opcode::kDrawAuto, {})), Hang::kWorkLimit);
}

TEST_F(CommandProcessorTest, AHangResetsRegistersAndKeepsMemory) {
  EXPECT_EQ(Run(Stream().Registers(0x8c20, {5}).Store(IovaOf(0), 1).Raw({0})),
            Hang::kPacketType);
  EXPECT_EQ(Dword(0), 1u);
  EXPECT_EQ(
      Run(Stream().Command(Opcode::kRegToMem, {0x8c20, Lo(kIova), Hi(kIova)})),
      Hang::kNone);
  EXPECT_EQ(Dword(0), 0u);
}

}  // namespace
}  // namespace nacre::simulator
