#include "nacre/foreign_summary.h"

#include <cstdint>
#include <string>

#include "google/protobuf/map.h"
#include "google/protobuf/message.h"
#include "google/protobuf/unknown_field_set.h"
#include "gtest/gtest.h"

namespace nacre {
namespace {

using Counters = google::protobuf::Map<std::string, uint64_t>;

// All that has text in it.
constexpr Counters* (*kCounters[])(GpuSummary&) = {
    [](GpuSummary& s) { return s.mutable_commands(); },
    [](GpuSummary& s) { return s.mutable_errors(); },
    [](GpuSummary& s) { return s.mutable_ccmds(); },
    [](GpuSummary& s) { return s.mutable_ccmd_errors(); },
    [](GpuSummary& s) { return s.mutable_simulator()->mutable_not_executed(); },
    [](GpuSummary& s) { return s.mutable_simulator()->mutable_executed(); },
};

GpuSummary Parse(const GpuSummary& summary) {
  return ParseForeignSummary(summary.SerializeAsString());
}

TEST(ForeignSummaryTest, HasWhatWasCounted) {
  GpuSummary summary;
  summary.set_contexts_now(3);
  for (const auto counters : kCounters) (*counters(summary))["SUBMIT_3D"] = 7;
  EXPECT_EQ(Parse(summary).SerializeAsString(), summary.SerializeAsString());
}

TEST(ForeignSummaryTest, IsEmptyWhereItDoesNotParse) {
  EXPECT_EQ(ParseForeignSummary("\xff").ByteSizeLong(), 0u);
}

// Attack: lines of our own output, and what a terminal obeys.
TEST(ForeignSummaryTest, ForgedNamesLeaveNothing) {
  for (const auto counters : kCounters) {
    for (const std::string& name :
         {std::string("x 1\nPASS"), std::string("\x1b[2J"), std::string(1, 0),
          std::string("\xc3\xa4"), std::string(257, 'a')}) {
      GpuSummary summary;
      summary.set_contexts_now(3);
      (*counters(summary))["good"] = 1;
      (*counters(summary))[name] = 1;
      EXPECT_EQ(Parse(summary).ByteSizeLong(), 0u) << name;
    }
  }
}

// Protobuf keeps what it does not know, and shows it in its text format.
TEST(ForeignSummaryTest, FieldsThatItDoesNotHaveAreNotKept) {
  GpuSummary summary;
  summary.set_contexts_now(3);
  const std::string known = summary.SerializeAsString();
  summary.GetReflection()->MutableUnknownFields(&summary)->AddLengthDelimited(
      99, "x\ny");
  EXPECT_EQ(Parse(summary).SerializeAsString(), known);
}

TEST(ForeignSummaryTest, NamesNoDeviceAndNoFailure) {
  GpuSummary summary;
  summary.set_device("x\ny");
  summary.set_failure("x\ny");
  summary.set_contexts_now(3);
  const GpuSummary parsed = Parse(summary);
  EXPECT_FALSE(parsed.has_device());
  EXPECT_FALSE(parsed.has_failure());
  EXPECT_EQ(parsed.contexts_now(), 3u);
}

}  // namespace
}  // namespace nacre
