#include "simulator/condition_packets.h"

#include <cstdint>
#include <vector>

#include "simulator/packets_fixture.h"

namespace nacre::simulator {
namespace {

class ConditionPacketsTest : public PacketsFixture {
 protected:
  // Dwords that the condition skips; fails where it hangs.
  uint32_t Skipped(Condition (*handler)(CpState&, Payload),
                   const std::vector<uint32_t>& payload) {
    const Condition result = handler(state_, payload);
    EXPECT_TRUE(std::holds_alternative<Skip>(result));
    return std::get<Skip>(result).dwords;
  }
};

TEST_F(ConditionPacketsTest, CondExecNeedsBothConditions) {
  const std::vector<uint32_t> packet = {Lo(0), Hi(0), Lo(1), Hi(1), 5, 12};
  EXPECT_EQ(Skipped(CondExec, packet), 12u);
  Dword(0) = 1;
  EXPECT_EQ(Skipped(CondExec, packet), 0u);
  Dword(1) = 5;
  EXPECT_EQ(Skipped(CondExec, packet), 12u);
  Dword(1) = 0xffffffff;  // Signed: less.
  EXPECT_EQ(Skipped(CondExec, packet), 0u);
}

TEST_F(ConditionPacketsTest, RegTestSetsThePredicateThatCondRegExecTests) {
  constexpr uint32_t kPredTest = 1u << 28;
  state_.registers.Write(kReg, 1 << 4);
  Do(RegTest, {kReg | 4 << 20});
  EXPECT_EQ(Skipped(CondRegExec, {kPredTest, 9}), 0u);
  Do(RegTest, {kReg | 5 << 20});
  EXPECT_EQ(Skipped(CondRegExec, {kPredTest, 9}), 9u);
  // Another predicate bit, and the direct update.
  Do(RegTest, {kReg | 4 << 20 | 3 << 26});
  EXPECT_EQ(Skipped(CondRegExec, {kPredTest | 3 << 18, 9}), 0u);
  Do(RegTest, {1u << 31, 1 << 3, 0});
  EXPECT_EQ(Skipped(CondRegExec, {kPredTest | 3 << 18, 9}), 9u);
}

TEST_F(ConditionPacketsTest, CondRegExecSelectsByRenderMode) {
  constexpr uint32_t kRenderMode = 3u << 28;
  constexpr uint32_t kBinning = 1 << 25;
  constexpr uint32_t kGmem = 1 << 26;
  constexpr uint32_t kSysmem = 1 << 27;
  struct {
    uint32_t marker;
    uint32_t mask;
  } constexpr kModes[] = {
      {1, kSysmem}, {2, kBinning}, {4 | 0x10, kGmem}, {6 | 0x10, kGmem}};
  for (const auto& mode : kModes) {
    Do(SetMarker, {mode.marker});
    EXPECT_EQ(Skipped(CondRegExec, {kRenderMode | mode.mask, 4}), 0u);
    EXPECT_EQ(Skipped(CondRegExec, {kRenderMode | (~mode.mask & 7 << 25), 4}),
              4u);
  }
  Do(SetMarker, {1});
  Do(SetMarker, {0x101});  // Power collapse, not a mode.
  Do(SetMarker, {0xc});
  EXPECT_EQ(Skipped(CondRegExec, {kRenderMode | kSysmem, 4}), 0u);
}

TEST_F(ConditionPacketsTest, CondRegExecComparesRegisters) {
  state_.registers.Write(kReg, 3);
  state_.registers.Write(kReg + 1, 3);
  EXPECT_EQ(Skipped(CondRegExec, {2u << 28 | kReg, kReg + 1, 6}), 0u);
  EXPECT_EQ(Skipped(CondRegExec, {2u << 28 | kReg, kReg + 2, 6}), 6u);
  EXPECT_EQ(Skipped(CondRegExec, {4u << 28 | kReg, 3, 6}), 0u);
  EXPECT_EQ(Skipped(CondRegExec, {4u << 28 | kReg, 4, 6}), 6u);
}

// The value that is compared is of 64 bits, and read when the predicate is set.
TEST_F(ConditionPacketsTest, DrawPredicateIsOfMemory) {
  constexpr uint32_t kPassIfNotZero = 5 << 4;
  constexpr uint32_t kPassIfZero = 5 << 4 | 1 << 8;
  Do(DrawPredEnableGlobal, {1});
  EXPECT_FALSE(state_.draw_predicate.DropsDraws());
  Do(DrawPredSet, {kPassIfNotZero, Lo(0), Hi(0)});
  EXPECT_TRUE(state_.draw_predicate.DropsDraws());
  Dword(1) = 1;
  EXPECT_TRUE(state_.draw_predicate.DropsDraws());
  Do(DrawPredSet, {kPassIfNotZero, Lo(0), Hi(0)});
  EXPECT_FALSE(state_.draw_predicate.DropsDraws());
  Do(DrawPredSet, {kPassIfZero, Lo(0), Hi(0)});
  EXPECT_TRUE(state_.draw_predicate.DropsDraws());
}

TEST_F(ConditionPacketsTest, DrawPredicateIsInForceWhereItIsEnabled) {
  Do(DrawPredEnableGlobal, {1});
  Do(DrawPredSet, {5 << 4, Lo(0), Hi(0)});
  Do(DrawPredEnableLocal, {0});
  EXPECT_FALSE(state_.draw_predicate.DropsDraws());
  Do(DrawPredEnableLocal, {1});
  EXPECT_TRUE(state_.draw_predicate.DropsDraws());
  Do(DrawPredEnableGlobal, {0});
  EXPECT_FALSE(state_.draw_predicate.DropsDraws());
  // Enabling begins anew.
  Do(DrawPredEnableGlobal, {1});
  EXPECT_FALSE(state_.draw_predicate.DropsDraws());
}

TEST_F(ConditionPacketsTest, DrawPredicatesOfOtherSourcesAreCounted) {
  Do(DrawPredSet, {1 << 4, 0, 0});
  EXPECT_EQ(state_.stats.packets_not_executed.at("CP_DRAW_PRED_SET"), 1u);
}

TEST_F(ConditionPacketsTest, ShortPacketsAreRefused) {
  for (const Handler handler :
       {RegTest, SetMarker, ThreadControl, DrawPredEnableGlobal,
        DrawPredEnableLocal, DrawPredSet}) {
    EXPECT_EQ(Do(handler, {}), Hang::kShortPacket);
  }
  for (const auto condition : {CondExec, CondRegExec}) {
    EXPECT_EQ(std::get<Hang>(condition(state_, {})), Hang::kShortPacket);
  }
}

}  // namespace
}  // namespace nacre::simulator
