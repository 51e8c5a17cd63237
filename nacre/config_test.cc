#include "nacre/config.h"

#include <cstdint>
#include <filesystem>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/aarch64/placement.h"
#include "vmm/guest_memory.h"

namespace nacre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

VmConfig Parse(const std::string& text) {
  absl::StatusOr<VmConfig> config = ParseConfig(text, "test");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : VmConfig();
}

std::string ErrorOf(const std::string& text) {
  const absl::Status status = ValidateConfig(Parse(text));
  EXPECT_FALSE(status.ok()) << text;
  EXPECT_THAT(status.message(), testing::Not(HasSubstr("\n")));
  return std::string(status.message());
}

TEST(ConfigTest, KernelIsEnough) {
  EXPECT_TRUE(ValidateConfig(Parse("boot { kernel: 'k' }")).ok());
}

TEST(ConfigTest, ExamplesAreRight) {
  int examples = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("testdata/config")) {
    const absl::StatusOr<VmConfig> config = LoadConfig(entry.path());
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_TRUE(ValidateConfig(*config).ok()) << entry.path();
    ++examples;
  }
  EXPECT_GT(examples, 0);
}

// Adrenos are in arm64 machines, whatever this one is.
TEST(ConfigTest, ExamplesWithARenderNodeAreForArm64) {
  constexpr uint64_t kAddressEnd = uint64_t{1} << 36;  // Low for a host.
  int examples = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("testdata/config")) {
    const VmConfig config = LoadConfig(entry.path()).value();
    if (!config.gpu().device().starts_with("/dev/")) continue;
    std::vector<vmm::GuestMemory::RegionSpec> ram;
    for (const MemoryRegion& region : config.memory_region()) {
      ram.push_back({region.guest_address(), region.size()});
    }
    EXPECT_EQ(vmm::aarch64::CheckMemoryLayout(ram, kAddressEnd),
              absl::OkStatus())
        << entry.path();
    ++examples;
  }
  EXPECT_GT(examples, 0);
}

TEST(ConfigTest, SyntaxErrorNamesThePlace) {
  const absl::StatusOr<VmConfig> config = ParseConfig("vcpus: 2\nvpcu: 1", "f");
  EXPECT_THAT(config.status().message(),
              AllOf(HasSubstr("f:2:"), HasSubstr("vpcu")));
}

TEST(ConfigTest, MissingFileNamesThePath) {
  EXPECT_THAT(LoadConfig("/nowhere/vm.textproto").status().message(),
              HasSubstr("/nowhere/vm.textproto"));
}

TEST(ConfigTest, AFileThatCannotBeReadSaysWhy) {
  EXPECT_THAT(LoadConfig("/proc/self").status().message(),
              AllOf(HasSubstr("/proc/self"), HasSubstr("Is a directory")));
  // Opens, and has nothing at its start.
  EXPECT_THAT(LoadConfig("/proc/self/mem").status().message(),
              AllOf(HasSubstr("/proc/self/mem"), HasSubstr("output error")));
}

TEST(ConfigTest, MissingKernelSaysHowToGiveOne) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("--kernel"));
}

TEST(ConfigTest, ErrorsAreOneLineWhateverTheFieldHolds) {
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } gpu { device: 'a\\nb' }"),
              HasSubstr("a\\nb"));
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } gpu { jail: '\\n' }"),
              HasSubstr("gpu.jail"));
}

TEST(ConfigTest, OverlappingMemorySaysWhereToMove) {
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' }"
                      "memory_region { guest_address: 0 size: 0x200000 }"
                      "memory_region { guest_address: 0x100000 size: 0x1000 }"),
              AllOf(HasSubstr("overlaps"), HasSubstr("0x200000")));
}

TEST(ConfigTest, UnalignedMemorySaysWhatWouldBeRight) {
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' }"
                      "memory_region { guest_address: 0x1234 size: 0x1000 }"),
              AllOf(HasSubstr("unaligned"), HasSubstr("0x1000")));
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' }"
                      "memory_region { guest_address: 0 size: 1 }"),
              HasSubstr("multiple of 4096"));
}

TEST(ConfigTest, TooManyRegionsSayHowManyMayBe) {
  std::string text = "boot { kernel: 'k' }";
  for (int i = 0; i < 65; ++i) {
    absl::StrAppend(&text, "memory_region { guest_address: ", i * 8192,
                    " size: 4096 }");
  }
  EXPECT_THAT(ErrorOf(text), HasSubstr("64"));
}

TEST(ConfigTest, WrappingMemoryIsRefused) {
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } memory_region { guest_address: "
                      "0xfffffffffffff000 size: 0x2000 }"),
              HasSubstr("beyond the address space"));
}

TEST(ConfigTest, NumbersOutOfRangeNameTheRange) {
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } vcpus: 0"), HasSubstr("1 to 64"));
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } memory_mib: 1"),
              HasSubstr("from 64"));
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } gpu { window_mib: 3 }"),
              HasSubstr("power of two"));
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } gpu { window_mib: 65536 }"),
              HasSubstr("gpu.window_mib is 65536; it must be from 1 to 32768"));
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } gpu { scanouts: 17 }"),
              HasSubstr("0 to 16"));
}

TEST(ConfigTest, GpuTimeIsForSimulatedGpus) {
  EXPECT_TRUE(ValidateConfig(Parse("boot { kernel: 'k' } gpu { time { "
                                   "submission_us: 2000 "
                                   "megabytes_per_second: 10000 } }"))
                  .ok());
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } gpu { device: '/dev/dri/renderD128'"
                      " time { submission_us: 2000 } }"),
              AllOf(HasSubstr("sim:a660"), HasSubstr("renderD128")));
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } gpu { time { submission_us: 500000 "
                      "} }"),
              HasSubstr("1 to 499999"));
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } gpu { time { megabytes_per_second: "
                      "0 } }"),
              HasSubstr("1 to 1000000"));
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } gpu { time { "
                      "megapixels_per_second: 1000001 } }"),
              HasSubstr("1 to 1000000"));
}

TEST(ConfigTest, UnknownJailSaysWhatThereIs) {
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } gpu { jail: 'on' }"),
              AllOf(HasSubstr("on"), HasSubstr("best-effort")));
}

TEST(ConfigTest, UnknownGpuSaysWhatThereIs) {
  EXPECT_THAT(ErrorOf("boot { kernel: 'k' } gpu { device: 'a660' }"),
              AllOf(HasSubstr("a660"), HasSubstr("sim:CHIP")));
}

}  // namespace
}  // namespace nacre
