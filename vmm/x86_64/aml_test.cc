#include "vmm/x86_64/aml.h"

#include "gtest/gtest.h"

// Expected bytes are what iasl makes of the same ASL.
namespace nacre::vmm::x86_64::aml {
namespace {

TEST(AmlTest, IntegersTakeTheShortestForm) {
  EXPECT_EQ(Integer(0), (Bytes{0x00}));
  EXPECT_EQ(Integer(1), (Bytes{0x01}));
  EXPECT_EQ(Integer(2), (Bytes{0x0a, 0x02}));
  EXPECT_EQ(Integer(0x1234), (Bytes{0x0b, 0x34, 0x12}));
  EXPECT_EQ(Integer(0x12345678), (Bytes{0x0c, 0x78, 0x56, 0x34, 0x12}));
  EXPECT_EQ(Integer(0x100000000),
            (Bytes{0x0e, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00}));
}

TEST(AmlTest, EisaIdsAreCompressed) {
  EXPECT_EQ(EisaId("PNP0A08"), (Bytes{0x0c, 0x41, 0xd0, 0x0a, 0x08}));
  EXPECT_EQ(EisaId("PNP0501"), (Bytes{0x0c, 0x41, 0xd0, 0x05, 0x01}));
}

TEST(AmlTest, NamesAndPackages) {
  EXPECT_EQ(RootName("_S5_", Package({Integer(5), Integer(0)})),
            (Bytes{0x08, 0x5c, 0x5f, 0x53, 0x35, 0x5f, 0x12, 0x05, 0x02, 0x0a,
                   0x05, 0x00}));
}

// ACPI 6.4, 20.2.4: one length byte to 63, then more with a nibble in the
// first.
TEST(AmlTest, PackageLengthGrowsWithTheBody) {
  const auto device_of = [](size_t name_size) {
    return Device("DEV0", {Name("_HID", String(std::string(name_size, 'x')))});
  };
  // Length byte, DEV0, 08 _HID, 0d, text, NUL.
  EXPECT_EQ(device_of(63 - 12)[2], 63);
  const Bytes longer = device_of(64 - 12);
  EXPECT_EQ(longer[2], 0x40 | (65 & 0xf));
  EXPECT_EQ(longer[3], 65 >> 4);
  const Bytes long_enough = device_of(5000);
  EXPECT_EQ(long_enough[2] >> 6, 2);
  EXPECT_EQ(long_enough.size() - 2,
            static_cast<size_t>((long_enough[2] & 0xf) | long_enough[3] << 4 |
                                long_enough[4] << 12));
}

TEST(AmlTest, ResourceTemplateEndsWithATag) {
  EXPECT_EQ(ResourceTemplate({Ports(0x3f8, 8), EdgeInterrupt(4)}),
            (Bytes{0x11, 0x16, 0x0a, 0x13,                          //
                   0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 0x01, 0x08,  //
                   0x89, 0x06, 0x00, 0x03, 0x01, 0x04, 0x00, 0x00,
                   0x00, 0x79, 0x00}));
}

TEST(AmlTest, WindowsSpellOutBothEnds) {
  EXPECT_EQ(MemoryWindow32(0xc0000000, 0x20000000),
            (Bytes{0x87, 0x17, 0x00, 0x00, 0x0c, 0x01,  //
                   0x00, 0x00, 0x00, 0x00,              //
                   0x00, 0x00, 0x00, 0xc0,              //
                   0xff, 0xff, 0xff, 0xdf,              //
                   0x00, 0x00, 0x00, 0x00,              //
                   0x00, 0x00, 0x00, 0x20}));
  EXPECT_EQ(BusNumbers(0, 0),
            (Bytes{0x88, 0x0d, 0x00, 0x02, 0x0c, 0x00, 0x00, 0x00, 0x00, 0x00,
                   0x00, 0x00, 0x00, 0x00, 0x01, 0x00}));
}

}  // namespace
}  // namespace nacre::vmm::x86_64::aml
