#include "vmm/kvm/run_errors.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/page_size.h"
#include "base/testing/host_faults.h"
#include "gtest/gtest.h"
#include "vmm/kvm/kvm_api.h"
#include "vmm/kvm/memory_slots.h"
#include "vmm/outcome.h"

namespace nacre::vmm {
namespace {

// There is no virtual machine here: KVM's answers are made up. It has a window,
// the one page of which shows a file.
class RunErrorsTest : public testing::Test {
 protected:
  static constexpr uint64_t kWindow = uint64_t{1} << 32;
  static constexpr int kPauses = 7;  // Of HostShortage.

  RunErrorsTest() {
    EXPECT_EQ(ftruncate(blob_.get(), static_cast<off_t>(kPage)), 0);
    EXPECT_EQ(mmap(window_.data(), kPage, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_FIXED, blob_.get(), 0),
              window_.data());
    window_.data()[0] = 7;
    const HostFault done({.first = 0, .request = KVM_SET_USER_MEMORY_REGION});
    EXPECT_TRUE(slots_.AddWindow(kWindow, window_.bytes()).ok());
    TellAddress(kWindow);
  }

  void TellAddress(uint64_t address) {
    run_.exit_reason = kKvmExitMemoryFault;
    const KvmMemoryFault fault = {
        .flags = 0, .guest_address = address, .size = kPage};
    std::memcpy(run_.padding, &fault, sizeof(fault));
  }
  std::optional<Outcome> Take() { return errors_.Take(EFAULT); }
  // For the moment that the guest outlasts in any case.
  void TakeWithoutMemory() {
    for (int i = 0; i < kPauses; ++i) {
      const HostFault no_memory(kNoMemory);
      ASSERT_FALSE(Take().has_value()) << i;
    }
  }
  // It has the file's page still.
  bool IsKept() {
    uint8_t byte = 0;
    return window_.data()[0]++ == 7 && pread(blob_.get(), &byte, 1, 0) == 1 &&
           byte == 8;
  }

  // For a page; what is made in its place is there.
  static constexpr HostFault::Plan kNoMemory = {.first = 0, .error = ENOMEM};

  const uint64_t kPage = HostPageSize();
  const Mapping window_ = Mapping::Anonymous(kPage, kPage).value();
  const Fd blob_{memfd_create("blob", MFD_CLOEXEC)};

  kvm_run run_ = {};

 private:
  MemorySlots slots_;
  const std::atomic<bool> stop_ = false;
  const std::function<bool()> wait_for_memory_;
  RunErrors errors_{-1, run_, slots_, stop_, wait_for_memory_};
};

// A page of a context's responses that became zeroes would keep its program
// waiting for ever.
TEST_F(RunErrorsTest, AMomentWithoutMemoryCostsTheWindowNothing) {
  TakeWithoutMemory();
  EXPECT_FALSE(Take().has_value());
  EXPECT_TRUE(IsKept());
}

// Without an exit between, as in a guest that needs none.
TEST_F(RunErrorsTest, AnotherPageHasAMomentOfItsOwn) {
  TellAddress(0);
  TakeWithoutMemory();
  TellAddress(kWindow);
  TakeWithoutMemory();
  EXPECT_TRUE(IsKept());
}

TEST_F(RunErrorsTest, NorDoesItWhereKvmDoesNotSayTheAddress) {
  run_.exit_reason = KVM_EXIT_UNKNOWN;
  TakeWithoutMemory();
  EXPECT_FALSE(Take().has_value());
  EXPECT_TRUE(IsKept());
}

// Rather than that the guest ends; and another moment is another one.
TEST_F(RunErrorsTest, AfterThatMomentThePageHasZeroes) {
  TakeWithoutMemory();
  {
    const HostFault no_memory(kNoMemory);
    EXPECT_FALSE(Take().has_value());
    EXPECT_EQ(no_memory.failed(), "madvise(0)");
  }
  EXPECT_EQ(window_.data()[0], 0);
  window_.data()[0] = 9;
  TakeWithoutMemory();
  EXPECT_EQ(window_.data()[0], 9);
}

TEST_F(RunErrorsTest, SoHasOneThatKvmCannotUseThoughItIsThere) {
  int tries = 0;
  while (window_.data()[0] != 0 && tries < 100) {
    ASSERT_FALSE(Take().has_value());
    ++tries;
  }
  EXPECT_GT(tries, kPauses);
  EXPECT_LT(tries, 100);
}

TEST_F(RunErrorsTest, RamThatCannotBeHadEndsTheRun) {
  TellAddress(0);
  TakeWithoutMemory();
  const std::optional<Outcome> ending = Take();
  ASSERT_TRUE(ending.has_value());
  EXPECT_EQ(ending->kind, Outcome::Kind::kInternalError);
}

}  // namespace
}  // namespace nacre::vmm
