#include "nacre/summary.h"

#include <fstream>
#include <iterator>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre {
namespace {

using ::testing::HasSubstr;

VmSummary Example() {
  VmSummary summary;
  summary.set_outcome("power-off");
  summary.set_first_instruction_us(12345);
  summary.mutable_gpu()->set_device("sim:a660");
  summary.mutable_gpu()->set_mapped_bytes_peak(3 << 20);
  (*summary.mutable_gpu()->mutable_ccmds())["GEM_SUBMIT"] = 7;
  (*summary.mutable_gpu()->mutable_ccmds())["GEM_NEW"] = 3;
  return summary;
}

TEST(SummaryTest, TextHasWhatHappened) {
  const std::string text = SummaryText(Example());
  EXPECT_THAT(text, HasSubstr("outcome: power-off"));
  EXPECT_THAT(text, HasSubstr("12.3 ms"));
  EXPECT_THAT(text, HasSubstr("ccmds: GEM_NEW 3, GEM_SUBMIT 7"));
  EXPECT_THAT(text, HasSubstr("mapped: 3.0 MiB at peak, 0 bytes now"));
}

TEST(SummaryTest, TextSaysWhyTheGpuFailed) {
  VmSummary summary = Example();
  summary.mutable_gpu()->set_failure("signal 9 (Killed)");
  EXPECT_THAT(SummaryText(summary), HasSubstr("ended early: signal 9"));
}

TEST(SummaryTest, TextWithoutAGpuSaysNothingOfOne) {
  VmSummary summary = Example();
  summary.clear_gpu();
  EXPECT_THAT(SummaryText(summary), testing::Not(HasSubstr("gpu")));
}

TEST(SummaryTest, JsonHasZeroesToo) {
  const std::string path = testing::TempDir() + "/summary.json";
  ASSERT_TRUE(WriteSummary(Example(), path).ok());
  std::ifstream file(path);
  const std::string json((std::istreambuf_iterator<char>(file)),
                         std::istreambuf_iterator<char>());
  EXPECT_THAT(json, HasSubstr("\"GEM_SUBMIT\": \"7\""));
  EXPECT_THAT(json, HasSubstr("\"mapped_bytes_now\": \"0\""));
}

TEST(SummaryTest, UnwritablePathIsNamed) {
  EXPECT_THAT(WriteSummary(Example(), "/nowhere/s.json").message(),
              HasSubstr("/nowhere/s.json"));
}

}  // namespace
}  // namespace nacre
