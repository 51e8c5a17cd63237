#include "vmm/x86_64/rtc.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::vmm::x86_64 {
namespace {

// 2026-11-23 13:05:59 UTC, a Monday.
constexpr time_t kNow = 1795439159;

class RtcTest : public testing::Test {
 protected:
  uint8_t ReadIndex(uint8_t index) {
    rtc_.Write(0, std::vector<uint8_t>{index});
    std::vector<uint8_t> data(1);
    rtc_.Read(1, data);
    return data[0];
  }
  void WriteIndex(uint8_t index, uint8_t value) {
    rtc_.Write(0, std::vector<uint8_t>{index});
    rtc_.Write(1, std::vector<uint8_t>{value});
  }

  Rtc rtc_{[] { return kNow; }};
};

TEST_F(RtcTest, TellsTheTimeInBcd) {
  EXPECT_EQ(ReadIndex(0x00), 0x59);
  EXPECT_EQ(ReadIndex(0x02), 0x05);
  EXPECT_EQ(ReadIndex(0x04), 0x13);
  EXPECT_EQ(ReadIndex(0x06), 2);
  EXPECT_EQ(ReadIndex(0x07), 0x23);
  EXPECT_EQ(ReadIndex(0x08), 0x11);
  EXPECT_EQ(ReadIndex(0x09), 0x26);
  EXPECT_EQ(ReadIndex(0x32), 0x20);
}

TEST_F(RtcTest, IsNeverUpdatingAndAlwaysValid) {
  EXPECT_EQ(ReadIndex(0x0a) & 0x80, 0);
  EXPECT_EQ(ReadIndex(0x0b) & 0x06, 0x02);  // 24 hours, BCD.
  EXPECT_EQ(ReadIndex(0x0c), 0);
  EXPECT_EQ(ReadIndex(0x0d) & 0x80, 0x80);
}

TEST_F(RtcTest, TheClockCannotBeSet) {
  WriteIndex(0x04, 0x01);
  WriteIndex(0x32, 0x19);
  EXPECT_EQ(ReadIndex(0x04), 0x13);
  EXPECT_EQ(ReadIndex(0x32), 0x20);
}

TEST_F(RtcTest, HasNoMemory) {
  WriteIndex(0x50, 0xab);
  EXPECT_EQ(ReadIndex(0x50), 0);
}

TEST_F(RtcTest, TheNmiMaskIsNotPartOfTheIndex) {
  EXPECT_EQ(ReadIndex(0x80 | 0x09), 0x26);
}

}  // namespace
}  // namespace nacre::vmm::x86_64
