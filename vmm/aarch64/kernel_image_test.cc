#include "vmm/aarch64/kernel_image.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/aarch64/testing/image.h"

namespace nacre::vmm::aarch64 {
namespace {

using Bytes = std::vector<uint8_t>;
using testing::HasSubstr;

absl::StatusOr<KernelImage> Parse(const Bytes& file) {
  const std::span<const uint8_t> bytes(file);
  return ParseKernelImage(bytes.first(std::min(file.size(), kKernelHeadSize)),
                          file.size());
}

void ExpectRefused(const Bytes& file, const std::string& what) {
  const absl::Status status = Parse(file).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  EXPECT_THAT(std::string(status.message()), HasSubstr("boot/Image"));
}

TEST(ImageTest, SaysWhereAndHowLargeTheKernelIs) {
  TestImageHeader header;
  header.text_offset = 0x80000;
  header.image_size = 0x2b20000;
  const KernelImage image = Parse(MakeImage({1, 2, 3}, header)).value();
  EXPECT_EQ(image.text_offset, 0x80000u);
  EXPECT_EQ(image.memory_size, 0x2b20000u);
}

TEST(ImageTest, AFileLargerThanTheKernelNeedsItsOwnSize) {
  TestImageHeader header;
  header.image_size = 8;
  EXPECT_EQ(Parse(MakeImage({1, 2}, header)).value().memory_size, 72u);
}

// booting.rst: bits 1 and 2 are the page size, bit 3 the placement; whoever
// loads it at the start of RAM need not know.
TEST(ImageTest, TakesAllPageSizesAndPlacements) {
  for (const uint64_t flags : {0x0, 0x2, 0x4, 0x6, 0x8, 0xe}) {
    TestImageHeader header;
    header.flags = flags;
    EXPECT_TRUE(Parse(MakeImage({}, header)).ok());
  }
}

TEST(ImageTest, RefusesBigEndianKernels) {
  TestImageHeader header;
  header.flags |= 1;
  ExpectRefused(MakeImage({}, header), "big-endian");
}

TEST(ImageTest, RefusesKernelsThatDoNotSayTheirSize) {
  TestImageHeader header;
  header.image_size = 0;
  ExpectRefused(MakeImage({}, header), "3.17");
}

TEST(ImageTest, RefusesOffsetsThatAreNone) {
  TestImageHeader header;
  header.text_offset = kPlacementAlignment;
  ExpectRefused(MakeImage({}, header), "text offset 0x200000");
  header.text_offset = ~uint64_t{0} - 3;
  ExpectRefused(MakeImage({}, header), "text offset");
  header.text_offset = 2;
  ExpectRefused(MakeImage({}, header), "text offset");
}

TEST(OtherFilesTest, SaysHowToUnpack) {
  Bytes gzip(100);
  gzip[0] = 0x1f;
  gzip[1] = 0x8b;
  ExpectRefused(gzip, "gzip -dc");

  Bytes zboot(100);
  std::memcpy(zboot.data(), "MZ\0\0zimg", 8);
  zboot[9] = 0x10;
  zboot[13] = 0x20;
  ExpectRefused(zboot, "the 8192 compressed bytes at offset 4096");

  ExpectRefused({0x7f, 'E', 'L', 'F'}, "an ELF file");
}

TEST(OtherFilesTest, AreRefused) {
  ExpectRefused({}, "not an arm64 Image");
  ExpectRefused(Bytes(1000), "not an arm64 Image");
  Bytes file = MakeImage({});
  file.pop_back();
  ExpectRefused(file, "not an arm64 Image");
}

}  // namespace
}  // namespace nacre::vmm::aarch64
