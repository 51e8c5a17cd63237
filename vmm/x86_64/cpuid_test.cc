#include "vmm/x86_64/cpuid.h"

#include <optional>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::vmm::x86_64 {
namespace {

using Entries = std::vector<kvm_cpuid_entry2>;

kvm_cpuid_entry2 Entry(uint32_t function, uint32_t eax, uint32_t ebx,
                       uint32_t ecx, uint32_t edx) {
  kvm_cpuid_entry2 entry = {};
  entry.function = function;
  entry.eax = eax;
  entry.ebx = ebx;
  entry.ecx = ecx;
  entry.edx = edx;
  return entry;
}

// A host with 8 threads of which ours is the fifth.
Entries Host() {
  return {Entry(1, 0x800f12, 0x05080800, 0x80000001, 0x10000001),
          Entry(0xb, 1, 2, 0x100, 5),
          Entry(0x1f, 1, 2, 0x100, 5),
          Entry(0x80000001, 0, 0, 0x3, 0),
          Entry(0x80000008, 0x3028, 0, 0x4007, 0),
          Entry(0x8000001e, 5, 0x0102, 0x3, 0)};
}

std::optional<kvm_cpuid_entry2> Find(const Entries& entries, uint32_t function,
                                     uint32_t index = 0) {
  for (const kvm_cpuid_entry2& entry : entries) {
    if (entry.function == function && entry.index == index) return entry;
  }
  return std::nullopt;
}

TEST(CpuidTest, EachVcpuHasItsApicId) {
  const Entries entries = VcpuCpuid(Host(), 2, 3);
  EXPECT_EQ(Find(entries, 1)->ebx >> 24, 2u);
  EXPECT_EQ(Find(entries, 1)->ebx & 0xffff, 0x0800u);
  EXPECT_EQ(Find(entries, 0xb, 0)->edx, 2u);
  EXPECT_EQ(Find(entries, 0xb, 1)->edx, 2u);
  EXPECT_EQ(Find(entries, 0x8000001e)->eax, 2u);
}

TEST(CpuidTest, TopologyIsOneSocketOfSingleThreadedCores) {
  const Entries entries = VcpuCpuid(Host(), 0, 3);
  EXPECT_EQ(Find(entries, 1)->ebx >> 16 & 0xff, 3u);
  EXPECT_EQ(Find(entries, 0xb, 0)->eax, 0u);  // Bits of the thread number,
  EXPECT_EQ(Find(entries, 0xb, 0)->ebx, 1u);
  EXPECT_EQ(Find(entries, 0xb, 1)->eax, 2u);  // and with the core number.
  EXPECT_EQ(Find(entries, 0xb, 1)->ebx, 3u);
  EXPECT_EQ(Find(entries, 0x80000008)->ecx, 0x2002u);
  EXPECT_EQ(Find(entries, 0x8000001e)->ebx >> 8 & 0xff, 0u);
  EXPECT_EQ(Find(entries, 0x1f), std::nullopt);
}

TEST(CpuidTest, OneVcpuHasNoNeighbours) {
  const Entries entries = VcpuCpuid(Host(), 0, 1);
  EXPECT_EQ(Find(entries, 1)->edx & 1u << 28, 0u);
  EXPECT_EQ(Find(entries, 0x80000001)->ecx & 2, 0u);
  EXPECT_EQ(Find(entries, 0xb, 1)->eax, 0u);
  EXPECT_EQ(Find(entries, 0x80000008)->ecx, 0u);
}

TEST(CpuidTest, FeaturesStay) {
  const Entries entries = VcpuCpuid(Host(), 0, 2);
  EXPECT_EQ(Find(entries, 1)->ecx, 0x80000001u);
  EXPECT_EQ(Find(entries, 1)->edx, 0x10000001u);
}

TEST(CpuidTest, AddressesEndWhereTheCpuSays) {
  EXPECT_EQ(PhysicalAddressEnd(Host()), uint64_t{1} << 40);
  EXPECT_EQ(PhysicalAddressEnd({}), uint64_t{1} << 36);
  EXPECT_EQ(PhysicalAddressEnd({Entry(0x80000008, 0xff, 0, 0, 0)}),
            uint64_t{1} << 52);
}

}  // namespace
}  // namespace nacre::vmm::x86_64
