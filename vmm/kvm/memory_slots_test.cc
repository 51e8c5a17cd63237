#include "vmm/kvm/memory_slots.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/errno_status.h"
#include "base/mapping.h"
#include "base/page_size.h"
#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

// What KVM takes (virt/kvm/kvm_main.c, __kvm_set_memory_region): addresses and
// sizes that are multiples of the host's page. There is no virtual machine
// here, so that a slot that is let through ends in another error: EBADF, or
// what an emulator of user programs says to KVM's ioctls.
class MemorySlotsPageTest : public testing::TestWithParam<uint64_t> {
 protected:
  static constexpr uint64_t kGuest = uint64_t{1} << 32;

  int Add(uint64_t guest_address, size_t offset, size_t size) {
    return StatusErrno(slots_.AddWindow(
        guest_address, std::span(memory_.data() + offset, size)));
  }

  const uint64_t page_ = GetParam();
  const Mapping memory_ = *Mapping::Anonymous(4 * page_, page_);
  MemorySlots slots_{page_};
};

TEST_P(MemorySlotsPageTest, WholePagesReachKvm) {
  for (const int error :
       {Add(kGuest, 0, page_), Add(kGuest + page_, 2 * page_, 2 * page_)}) {
    EXPECT_NE(error, 0);
    EXPECT_NE(error, EINVAL);
  }
}

TEST_P(MemorySlotsPageTest, AnythingElseDoesNot) {
  EXPECT_EQ(Add(kGuest, 0, 0), EINVAL);
  EXPECT_EQ(Add(kGuest, 0, page_ / 2), EINVAL);
  EXPECT_EQ(Add(kGuest, 0, page_ + page_ / 4), EINVAL);
  EXPECT_EQ(Add(kGuest + page_ / 2, 0, page_), EINVAL);
  EXPECT_EQ(Add(kGuest, page_ / 2, page_), EINVAL);
}

INSTANTIATE_TEST_SUITE_P(HostPages, MemorySlotsPageTest,
                         testing::ValuesIn(kPageSizes));

}  // namespace
}  // namespace nacre::vmm
