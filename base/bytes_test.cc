#include "base/bytes.h"

#include <array>

#include "gtest/gtest.h"

namespace nacre {
namespace {

constexpr std::array<uint8_t, 6> kBytes = {1, 2, 3, 4, 5, 6};

TEST(ByteReaderTest, ReadsInOrderWithoutAlignment) {
  ByteReader reader(kBytes);
  EXPECT_EQ(reader.Read<uint8_t>(), 1);
  EXPECT_EQ(reader.Read<uint32_t>(), 0x05040302u);
  EXPECT_EQ(reader.remaining(), 1u);
}

TEST(ByteReaderTest, ShortReadConsumesNothing) {
  ByteReader reader(kBytes);
  EXPECT_EQ(reader.Read<uint64_t>(), std::nullopt);
  EXPECT_EQ(reader.ReadBytes(7), std::nullopt);
  EXPECT_EQ(reader.remaining(), 6u);
}

TEST(ByteReaderTest, ZeroExtends) {
  ByteReader reader(kBytes);
  EXPECT_EQ(reader.ReadZeroExtended<uint64_t>(), 0x060504030201u);
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_EQ(reader.ReadZeroExtended<uint32_t>(), 0u);
}

}  // namespace
}  // namespace nacre
