#include "vmm/command_line.h"

#include <string>

#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

TEST(CommandLineTest, MayBeAsLongAsTheKernelTakes) {
  EXPECT_TRUE(CheckCommandLine("", 10).ok());
  EXPECT_TRUE(CheckCommandLine("0123456789", 10).ok());
  const absl::Status status = CheckCommandLine("0123456789a", 10);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "the kernel command line has 11 characters: this kernel takes 10");
}

// It would end there.
TEST(CommandLineTest, HasNoNul) {
  EXPECT_EQ(CheckCommandLine(std::string("a\0b", 3), 10).code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace nacre::vmm
