#include "vmm/guest_report.h"

#include <cstdint>
#include <optional>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

using Bytes = std::vector<uint8_t>;

uint8_t ReadByte(GuestReport& report, uint64_t offset) {
  Bytes data = {0xff};
  report.Read(offset, data);
  return data[0];
}

TEST(GuestReportTest, TheLastStatusCounts) {
  GuestReport report;
  EXPECT_EQ(report.status(), std::nullopt);
  EXPECT_EQ(ReadByte(report, GuestReport::kStatus), 0);
  report.Write(GuestReport::kStatus, Bytes{3});
  report.Write(GuestReport::kStatus, Bytes{5});
  EXPECT_EQ(report.status(), 5);
  EXPECT_EQ(ReadByte(report, GuestReport::kStatus), 5);
}

TEST(GuestReportTest, ScratchIsZeroUntilWrittenAndNoStatus) {
  GuestReport report;
  EXPECT_EQ(ReadByte(report, GuestReport::kScratch), 0);
  report.Write(GuestReport::kScratch, Bytes{7});
  EXPECT_EQ(ReadByte(report, GuestReport::kScratch), 7);
  EXPECT_EQ(report.status(), std::nullopt);
}

TEST(GuestReportTest, WiderWritesReportNothing) {
  GuestReport report;
  report.Write(GuestReport::kStatus, Bytes{1, 2});
  EXPECT_EQ(report.status(), std::nullopt);
  EXPECT_EQ(ReadByte(report, GuestReport::kScratch), 0);
}

}  // namespace
}  // namespace nacre::vmm
