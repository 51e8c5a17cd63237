#include "vmm/aarch64/rtc.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::vmm::aarch64 {
namespace {

constexpr time_t kNow = 1795439159;

class RtcTest : public testing::Test {
 protected:
  uint32_t Read(uint64_t offset) {
    std::vector<uint8_t> data(4, 0xff);
    rtc_.Read(offset, data);
    uint32_t value = 0;
    std::memcpy(&value, data.data(), sizeof(value));
    return value;
  }
  void Write(uint64_t offset, uint8_t value) {
    rtc_.Write(offset, std::vector<uint8_t>{value, 0, 0, 0});
  }

  Rtc rtc_{[] { return kNow; }};
};

TEST_F(RtcTest, TellsTheTime) { EXPECT_EQ(Read(0x000), kNow); }

TEST_F(RtcTest, RunsAndCannotBeSetOrStopped) {
  Write(0x008, 1);
  Write(0x00c, 0);
  EXPECT_EQ(Read(0x000), kNow);
  EXPECT_EQ(Read(0x00c), 1u);
}

TEST_F(RtcTest, HasNoAlarm) {
  Write(0x004, 1);
  Write(0x010, 1);
  EXPECT_EQ(Read(0x010), 0u);
  EXPECT_EQ(Read(0x014), 0u);
  EXPECT_EQ(Read(0x018), 0u);
}

// The 8 low bits of each of four registers, as an AMBA bus driver joins them.
TEST_F(RtcTest, IdentifiesItselfAsAPl031) {
  uint32_t peripheral = 0;
  uint32_t cell = 0;
  for (int i = 0; i < 4; ++i) {
    peripheral |= Read(0xfe0 + 4 * i) << 8 * i;
    cell |= Read(0xff0 + 4 * i) << 8 * i;
  }
  EXPECT_EQ(peripheral, Rtc::kPeripheralId);
  EXPECT_EQ(peripheral & 0xfffff, 0x41031u);
  EXPECT_EQ(cell, 0xb105f00du);
}

TEST_F(RtcTest, AnswersOtherSizes) {
  std::vector<uint8_t> wide(8, 0xff);
  rtc_.Read(0, wide);
  EXPECT_EQ(wide[4], 0);
  std::vector<uint8_t> narrow(1);
  rtc_.Read(0, narrow);
  EXPECT_EQ(narrow[0], kNow & 0xff);
}

}  // namespace
}  // namespace nacre::vmm::aarch64
