#include "vmm/kvm/memory_slots.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/errno_status.h"
#include "base/mapping.h"
#include "base/page_size.h"
#include "base/testing/host_faults.h"
#include "gtest/gtest.h"
#include "vmm/kvm/kvm_api.h"

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

// To delete a slot, KVM allocates. There is no virtual machine here either: its
// answers are made up.
TEST(MemorySlotsTest, AWindowThatKvmKeepsIsKnown) {
  const Mapping memory = *Mapping::Anonymous(HostPageSize(), HostPageSize());
  constexpr uint64_t kGuest = uint64_t{1} << 32;
  constexpr HostFault::Plan kDone = {
      .first = 0, .repeatedly = true, .request = KVM_SET_USER_MEMORY_REGION};
  MemorySlots slots;
  const auto add = [&] {
    const HostFault done(kDone);
    return StatusErrno(slots.AddWindow(kGuest, memory.bytes()));
  };
  const auto remove = [&](int error) {
    HostFault::Plan plan = kDone;
    plan.error = error;
    const HostFault fault(plan);
    return StatusErrno(slots.RemoveWindow(kGuest));
  };
  ASSERT_EQ(add(), 0);
  EXPECT_EQ(remove(ENOMEM), ENOMEM);
  EXPECT_EQ(add(), EINVAL);  // It would overlap the one that is there.
  EXPECT_EQ(remove(0), 0);
  EXPECT_EQ(remove(0), ENOENT);
  EXPECT_EQ(add(), 0);
}

}  // namespace
}  // namespace nacre::vmm
