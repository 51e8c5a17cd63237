#include "nacre/jail/foreign_lines.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::jail {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ForeignLinesTest : public testing::Test {
 protected:
  void Add(const std::string& text) { lines_.Add(text, now_); }

  std::vector<std::string> log_;
  ForeignLines lines_{
      [this](const std::string& line) { log_.push_back(line); }};
  ForeignLines::Clock::time_point now_ = ForeignLines::Clock::now();
};

TEST_F(ForeignLinesTest, LinesArriveWhole) {
  Add("one\ntw");
  EXPECT_THAT(log_, ElementsAre("one"));
  Add("o\n");
  EXPECT_THAT(log_, ElementsAre("one", "two"));
}

TEST_F(ForeignLinesTest, TheLastNeedsNoEnd) {
  Add("one");
  EXPECT_THAT(log_, IsEmpty());
  lines_.Finish(now_);
  lines_.Finish(now_);
  EXPECT_THAT(log_, ElementsAre("one"));
}

// Attack: escape sequences, which a terminal obeys.
TEST_F(ForeignLinesTest, OnlyPrintableCharactersAreShown) {
  Add("\x1b[2J\r\x7f\xc3\xa4~\n");
  EXPECT_THAT(log_, ElementsAre("?[2J????~"));
}

// Attack: memory, by a line without end.
TEST_F(ForeignLinesTest, LongLinesAreCut) {
  Add(std::string(2 * ForeignLines::kMaxLine + 1, 'a') + "\n");
  EXPECT_THAT(log_, ElementsAre(std::string(ForeignLines::kMaxLine, 'a'),
                                std::string(ForeignLines::kMaxLine, 'a'), "a"));
}

TEST_F(ForeignLinesTest, ALogMayHaveMoreOfThem) {
  ForeignLines lines([this](const std::string& line) { log_.push_back(line); },
                     100);
  const std::string flood(2 * ForeignLines::kBurst, '\n');
  lines.Add(flood, now_);
  log_.clear();
  lines.Add(flood, now_ + std::chrono::seconds(1));
  EXPECT_EQ(log_.size(), 101u);
}

// Attack: the host's disk.
TEST_F(ForeignLinesTest, AFloodIsLeftOutAndCounted) {
  for (int i = 0; i < ForeignLines::kBurst + 5; ++i) Add("x\n");
  EXPECT_EQ(log_.size(), size_t{ForeignLines::kBurst});
  log_.clear();
  now_ += std::chrono::seconds(1);
  for (int i = 0; i < 100; ++i) Add("y\n");
  EXPECT_EQ(log_.size(), size_t{ForeignLines::kPerSecond + 1});
  EXPECT_EQ(log_[0], "5 lines are left out");
  EXPECT_EQ(log_[1], "y");
}

}  // namespace
}  // namespace nacre::jail
