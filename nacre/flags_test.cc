#include "nacre/flags.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::StatusOr<Command> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "nacre");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

TEST(FlagsTest, FlagsFillTheConfig) {
  const absl::StatusOr<Command> command =
      Parse({"--kernel=k", "--vcpus=3", "--gpu=sim:a630", "--memory-mib=512",
             "--gpu-submission-us=5", "--gpu-megabytes-per-second=6",
             "--gpu-megapixels-per-second=7"});
  ASSERT_TRUE(command.ok()) << command.status();
  const VmConfig& config = std::get<RunVm>(*command).config;
  EXPECT_EQ(config.boot().kernel(), "k");
  EXPECT_EQ(config.vcpus(), 3u);
  EXPECT_EQ(config.gpu().device(), "sim:a630");
  EXPECT_EQ(config.memory_mib(), 512u);
  EXPECT_EQ(config.gpu().time().submission_us(), 5u);
  EXPECT_EQ(config.gpu().time().megabytes_per_second(), 6u);
  EXPECT_EQ(config.gpu().time().megapixels_per_second(), 7u);
}

TEST(FlagsTest, FlagsOverrideTheConfigFile) {
  const std::string path = testing::TempDir() + "/vm.textproto";
  std::ofstream(path) << "vcpus: 4 boot { kernel: 'k' initrd: 'i' }"
                      << "memory_region { guest_address: 0 size: 0x100000 }";
  const std::string flag = "--config=" + path;
  const absl::StatusOr<Command> command =
      Parse({flag.c_str(), "--vcpus=1", "--memory-mib=256"});
  ASSERT_TRUE(command.ok()) << command.status();
  const VmConfig& config = std::get<RunVm>(*command).config;
  EXPECT_EQ(config.vcpus(), 1u);
  EXPECT_EQ(config.boot().initrd(), "i");
  EXPECT_EQ(config.memory_region_size(), 0);
}

TEST(FlagsTest, UnknownFlagIsNamed) {
  EXPECT_THAT(Parse({"--kernle=k"}).status().message(),
              AllOf(HasSubstr("--kernle"), HasSubstr("--help")));
}

TEST(FlagsTest, WrongTypeIsNamedInOneLine) {
  EXPECT_THAT(Parse({"--kernel=k", "--vcpus=two"}).status().message(),
              AllOf(HasSubstr("vcpus"), testing::Not(HasSubstr("\n"))));
}

TEST(FlagsTest, ConfigIsValidated) {
  EXPECT_THAT(Parse({"--kernel=k", "--vcpus=0"}).status().message(),
              HasSubstr("1 to 64"));
}

TEST(FlagsTest, HelpListsTheFlags) {
  const absl::StatusOr<Command> command = Parse({"--help"});
  ASSERT_TRUE(command.ok());
  EXPECT_THAT(std::get<ShowHelp>(*command).text, HasSubstr("--gpu-window-mib"));
}

TEST(FlagsTest, ProbeNeedsNoKernel) {
  const absl::StatusOr<Command> command = Parse({"--probe"});
  ASSERT_TRUE(command.ok());
  EXPECT_TRUE(std::holds_alternative<Probe>(*command));
}

TEST(FlagsTest, LimitsAreLaidOverThoseOfTheConfig) {
  const absl::StatusOr<Command> command =
      Parse({"--kernel=k", "--gpu-limits=contexts: 16 mapped_mib: 64"});
  ASSERT_TRUE(command.ok()) << command.status();
  const GpuLimits& limits = std::get<RunVm>(*command).config.gpu().limits();
  EXPECT_EQ(limits.contexts(), 16u);
  EXPECT_EQ(limits.mapped_mib(), 64u);
  EXPECT_EQ(limits.resources(), GpuLimits().resources());
}

TEST(FlagsTest, WrongLimitsAreNamed) {
  EXPECT_THAT(
      Parse({"--kernel=k", "--gpu-limits=contexts: 0"}).status().message(),
      HasSubstr("gpu.limits.contexts"));
  EXPECT_THAT(
      Parse({"--kernel=k", "--gpu-limits=contexs: 1"}).status().message(),
      HasSubstr("--gpu-limits:1:"));
}

}  // namespace
}  // namespace nacre
