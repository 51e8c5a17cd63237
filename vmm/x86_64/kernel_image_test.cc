#include "vmm/x86_64/kernel_image.h"

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/x86_64/testing/elf_image.h"

namespace nacre::vmm::x86_64 {
namespace {

using Bytes = std::vector<uint8_t>;
using testing::HasSubstr;

constexpr uint64_t kLoad = 0x1000000;
constexpr size_t kHeaderOffset = 0x1f1;

absl::StatusOr<KernelImage> Parse(const Bytes& file) {
  const std::span<const uint8_t> bytes(file);
  return ParseKernelImage(bytes.first(std::min(file.size(), kKernelHeadSize)),
                          file.size());
}

void ExpectRefused(const Bytes& file, const std::string& what) {
  const absl::Status status = Parse(file).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(what));
}

setup_header GoodHeader() {
  setup_header header = {};
  header.setup_sects = 3;
  header.jump = 0x6aeb;
  header.boot_flag = 0xaa55;
  header.header = 0x53726448;
  header.version = 0x20f;
  header.xloadflags = XLF_KERNEL_64;
  header.pref_address = kLoad;
  header.init_size = 0x2000000;
  header.cmdline_size = 2047;
  header.initrd_addr_max = 0x7fffffff;
  return header;
}

Bytes BzImage(const setup_header& header) {
  Bytes file(4 * 512 + 1000, 0x90);
  std::memcpy(file.data() + kHeaderOffset, &header, sizeof(header));
  return file;
}

TEST(BzImageTest, PayloadGoesToThePreferredAddress) {
  const KernelImage image = Parse(BzImage(GoodHeader())).value();
  ASSERT_EQ(image.segments.size(), 1u);
  EXPECT_EQ(image.segments[0].file_offset, 4u * 512);
  EXPECT_EQ(image.segments[0].file_size, 1000u);
  EXPECT_EQ(image.segments[0].address, kLoad);
  EXPECT_EQ(image.entry, kLoad + 0x200);
  EXPECT_EQ(image.start, kLoad);
  EXPECT_EQ(image.end, kLoad + 0x2000000);
  EXPECT_EQ(+image.header.cmdline_size, 2047u);
}

// boot.rst: "if setup_sects is 0, the real value is 4".
TEST(BzImageTest, NoSetupSectorsMeansFour) {
  setup_header header = GoodHeader();
  header.setup_sects = 0;
  EXPECT_EQ(Parse(BzImage(header)).value().segments[0].file_offset, 5u * 512);
}

// boot.rst: the header ends at 0x202 plus the byte at 0x201.
TEST(BzImageTest, LeavesOutWhatFollowsTheHeader) {
  setup_header header = GoodHeader();
  header.handover_offset = 0x11223344;
  header.kernel_info_offset = 0x55667788;
  header.jump = 0x66eb;  // Up to kernel_info_offset.
  const KernelImage image = Parse(BzImage(header)).value();
  EXPECT_EQ(+image.header.handover_offset, 0x11223344u);
  EXPECT_EQ(+image.header.kernel_info_offset, 0u);
}

TEST(BzImageTest, RefusesOldProtocolsAndKernelsWithout64BitEntry) {
  setup_header header = GoodHeader();
  header.version = 0x20b;
  ExpectRefused(BzImage(header), "0x20b");
  header = GoodHeader();
  header.xloadflags = 0;
  ExpectRefused(BzImage(header), "64-bit entry");
}

TEST(BzImageTest, RefusesAFileCutShort) {
  setup_header header = GoodHeader();
  header.setup_sects = 64;
  ExpectRefused(BzImage(header), "cut short");
}

TEST(BzImageTest, RefusesAddressesThatWrapOrLieOutside) {
  setup_header header = GoodHeader();
  header.pref_address = ~uint64_t{0} - 0x1000;
  ExpectRefused(BzImage(header), "wraps");
  header.pref_address = 0x1000;
  ExpectRefused(BzImage(header), "between 1 MiB and 3 GiB");
  header.pref_address = 0xbfff0000;
  ExpectRefused(BzImage(header), "between 1 MiB and 3 GiB");
}

std::vector<ElfSegment> GoodSegments() {
  return {{kLoad, Bytes(100, 1), 100}, {kLoad + 0x1000, Bytes(50, 2), 0x3000}};
}

TEST(ElfTest, SegmentsGoToTheirPhysicalAddresses) {
  const KernelImage image = Parse(MakeElf(kLoad + 3, GoodSegments())).value();
  ASSERT_EQ(image.segments.size(), 2u);
  EXPECT_EQ(image.segments[0].address, kLoad);
  EXPECT_EQ(image.segments[0].file_size, 100u);
  EXPECT_EQ(image.segments[1].address, kLoad + 0x1000);
  EXPECT_EQ(image.segments[1].file_offset, image.segments[0].file_offset + 100);
  EXPECT_EQ(image.entry, kLoad + 3);
  EXPECT_EQ(image.start, kLoad);
  EXPECT_EQ(image.end, kLoad + 0x4000);
}

TEST(ElfTest, HasTheHeaderThatALoaderWouldFill) {
  const KernelImage image = Parse(MakeElf(kLoad, GoodSegments())).value();
  EXPECT_EQ(+image.header.boot_flag, 0xaa55);
  EXPECT_EQ(+image.header.header, 0x53726448u);
  EXPECT_GE(+image.header.version, 0x20c);
  EXPECT_EQ(+image.header.cmdline_size, 2047u);
}

TEST(ElfTest, RefusesOtherMachinesAndClasses) {
  Bytes file = MakeElf(kLoad, GoodSegments());
  file[EI_CLASS] = ELFCLASS32;
  ExpectRefused(file, "no x86-64 executable");
  file = MakeElf(kLoad, GoodSegments());
  file[offsetof(Elf64_Ehdr, e_machine)] = EM_AARCH64;
  ExpectRefused(file, "no x86-64 executable");
}

TEST(ElfTest, RefusesSegmentsBeyondTheFile) {
  Bytes file = MakeElf(kLoad, GoodSegments());
  file.resize(file.size() - 1);
  ExpectRefused(file, "cut short");
}

TEST(ElfTest, RefusesSegmentsThatOverlapOrWrap) {
  std::vector<ElfSegment> segments = GoodSegments();
  segments[1].address = kLoad + 99;
  ExpectRefused(MakeElf(kLoad, segments), "ascend");
  segments = GoodSegments();
  segments[1].memory_size = ~uint64_t{0};
  ExpectRefused(MakeElf(kLoad, segments), "wraps");
}

TEST(ElfTest, RefusesMoreFileThanMemory) {
  std::vector<ElfSegment> segments = GoodSegments();
  segments[1].memory_size = 10;
  ExpectRefused(MakeElf(kLoad, segments), "cut short");
}

TEST(ElfTest, RefusesAnEntryOutsideOfTheKernel) {
  ExpectRefused(MakeElf(kLoad - 1, GoodSegments()), "entry");
  ExpectRefused(MakeElf(kLoad + 0x4000, GoodSegments()), "entry");
}

TEST(ElfTest, RefusesProgramHeadersElsewhere) {
  Bytes file = MakeElf(kLoad, GoodSegments());
  const uint64_t offset = ~uint64_t{0} - 20;
  std::memcpy(file.data() + offsetof(Elf64_Ehdr, e_phoff), &offset,
              sizeof(offset));
  ExpectRefused(file, "program headers");
}

TEST(ElfTest, RefusesAFileWithNothingToLoad) {
  ExpectRefused(MakeElf(kLoad, {{kLoad, {}, 0}}), "entry");
}

TEST(KernelImageTest, RefusesOtherFiles) {
  ExpectRefused({}, "neither a bzImage nor an ELF");
  ExpectRefused(Bytes(10000, 0), "neither a bzImage nor an ELF");
  ExpectRefused({0x7f, 'E', 'L', 'F'}, "no x86-64 executable");
}

}  // namespace
}  // namespace nacre::vmm::x86_64
