#include "vmm/probe.h"

#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

using ::testing::HasSubstr;

// Every kind of machine has an answer that says why.
TEST(ProbeTest, SaysWhatItFound) {
  const KvmProbe probe = ProbeKvm();
  if (access("/dev/kvm", R_OK | W_OK) != 0) {
    EXPECT_EQ(probe.result, KvmProbe::Result::kUnusable);
    EXPECT_THAT(probe.message, HasSubstr("/dev/kvm"));
    return;
  }
  EXPECT_NE(probe.result, KvmProbe::Result::kUnusable) << probe.message;
  EXPECT_THAT(probe.message, HasSubstr("million guest instructions a second"));
}

}  // namespace
}  // namespace nacre::vmm
