// Pages of windows that the host cannot give, and a guest that touches them.

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <optional>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/testing/host_faults.h"
#include "gtest/gtest.h"
#include "vmm/kvm/kvm_api.h"
#include "vmm/x86_64/testing/kvm_guest.h"

namespace nacre::vmm::x86_64 {
namespace {

// As aarch64's KVM and x86-64's before Linux 6.8 do.
constexpr HostFault::Plan kFaultSomewhere = {
    .first = 0, .repeatedly = true, .error = EFAULT, .request = KVM_RUN};

// A window, the first page of which has a file behind it that ends there, the
// second one nothing of that file, and the third may not be accessed.
class KvmWindowPagesTest : public KvmGuestTest {
 protected:
  void SetUp() override {
    KvmGuestTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_EQ(ftruncate(blob_.get(), kPage), 0);
    MapBlob();
    ASSERT_EQ(mprotect(window_.data() + 2 * kPage, kPage, PROT_NONE), 0);
    ASSERT_TRUE(
        guest_->vm().memory_slots().AddWindow(kOutside, window_.bytes()).ok());
    window_.data()[0] = 7;
  }
  void MapBlob() {
    ASSERT_EQ(mmap(window_.data(), 2 * kPage, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_FIXED, blob_.get(), 0),
              window_.data());
  }
  // The guest reads the first page, and KVM_RUN faults as often before that.
  Outcome RunWithFaults(int faults) {
    KvmVcpu& vcpu = guest_->Load(LoadAl(kOutside) + OutAl(kPort) + kDone);
    std::optional<HostFault> fault(kFaultSomewhere);
    return vcpu.Run(guest_->ports(), guest_->mmio(), guest_->counters(), [&] {
      if (--faults == 0) fault.reset();
      return false;
    });
  }
  bool Make(uint64_t offset) {
    return guest_->vm().memory_slots().MakeWindowPage(kOutside + offset);
  }
  bool Replace(uint64_t offset) {
    return guest_->vm().memory_slots().ReplaceWindowPage(kOutside + offset);
  }
  uint8_t InBlob(uint64_t offset) {
    uint8_t byte = 0;
    EXPECT_EQ(pread(blob_.get(), &byte, 1, static_cast<off_t>(offset)), 1);
    return byte;
  }

  const Mapping window_ = Mapping::Anonymous(3 * kPage, kPage).value();
  const Fd blob_{memfd_create("blob", MFD_CLOEXEC)};
};

// Beyond its file's end here; with real GPUs where memory has run out. KVM says
// so by EFAULT, and from Linux 6.8 on where, or has an access to no memory,
// where it carries it out itself.
TEST_F(KvmWindowPagesTest, APageThatCannotBeHadEndsNoMachine) {
  const Outcome outcome =
      Run(LoadAl(kOutside + kPage) + OutAl(kPort) + MovAl(5) +
          StoreAl(kOutside + kPage + 3) + StoreAl(kOutside + 2 * kPage) +
          LoadAl(kOutside) + OutAl(kPort + 1) + kDone);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kStopped) << outcome.message;
  EXPECT_EQ(port_.value, 7u);  // What can be had is as it was.
}

TEST_F(KvmWindowPagesTest, WhereKvmDoesNotSayWhichPageItEndsNoMachine) {
  const Outcome outcome = RunWithFaults(8);
  ASSERT_EQ(outcome.kind, Outcome::Kind::kStopped) << outcome.message;
  EXPECT_EQ(port_.value, 7u);
  for (const uint64_t page : {kPage, 2 * kPage}) {
    EXPECT_EQ(window_.data()[page], 0);
    window_.data()[page] = 1;
  }
  // What can be had is still the file's.
  window_.data()[1] = 8;
  EXPECT_EQ(InBlob(1), 8);
}

TEST_F(KvmWindowPagesTest, NorIsAPageLostThereForAMomentWithoutMemory) {
  const Outcome outcome = RunWithFaults(7);
  ASSERT_EQ(outcome.kind, Outcome::Kind::kStopped) << outcome.message;
  EXPECT_EQ(port_.value, 7u);
  ASSERT_EQ(ftruncate(blob_.get(), 2 * kPage), 0);
  window_.data()[kPage] = 8;
  EXPECT_EQ(InBlob(kPage), 8);
}

// A guest whose kicks and interrupts are events may have no other exits.
TEST_F(KvmWindowPagesTest, NorDoesItWherePagesGoAgainAndAgain) {
  constexpr int kTimes = 100;
  KvmVcpu& vcpu = guest_->Load(kDone);
  const HostFault fault(kFaultSomewhere);
  int times = 0;
  const Outcome outcome =
      vcpu.Run(guest_->ports(), guest_->mmio(), guest_->counters(), [&] {
        MapBlob();
        if (++times == kTimes) vcpu.RequestStop();
        return false;
      });
  EXPECT_EQ(outcome.kind, Outcome::Kind::kStopped) << outcome.message;
  EXPECT_EQ(times, kTimes);
}

TEST_F(KvmWindowPagesTest, AFaultThatRemainsEndsTheRun) {
  const HostFault fault(kFaultSomewhere);
  const Outcome outcome = Run(kDone);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kInternalError);
  EXPECT_LT(fault.calls(), 50u);
}

// KVM says so, too, where the host has no memory for a page of RAM.
TEST_F(KvmWindowPagesTest, AFaultThatRemainsForAMomentDoesNot) {
  const Outcome outcome = RunWithFaults(10);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kStopped) << outcome.message;
  EXPECT_EQ(port_.value, 7u);
}

TEST_F(KvmWindowPagesTest, ToMakeAPageChangesNone) {
  EXPECT_TRUE(Make(0));
  for (const uint64_t page : {kPage, 2 * kPage}) EXPECT_FALSE(Make(page + 5));
  {
    const HostFault no_memory({.first = 0, .error = ENOMEM});
    EXPECT_FALSE(Make(0));
    EXPECT_EQ(no_memory.failed(), "madvise(0)");
  }
  EXPECT_EQ(window_.data()[0], 7);
  ASSERT_EQ(ftruncate(blob_.get(), 2 * kPage), 0);
  EXPECT_TRUE(Make(kPage + 5));
  window_.data()[kPage] = 3;
  EXPECT_EQ(InBlob(kPage), 3);
}

TEST_F(KvmWindowPagesTest, OneThatIsReplacedHasZeroes) {
  for (const uint64_t page : {kPage, 2 * kPage}) {
    EXPECT_TRUE(Replace(page + 5));
    EXPECT_EQ(window_.data()[page], 0);
    window_.data()[page] = 1;
  }
  EXPECT_EQ(window_.data()[0], 7);
  // KVM may have no use for one that the host has.
  EXPECT_TRUE(Replace(0));
  EXPECT_EQ(window_.data()[0], 0);
}

// A window is mostly reserved memory, not to be made for this.
TEST_F(KvmGuestTest, NothingButWhatIsLostIsReplaced) {
  constexpr uint64_t kPages = 1000;
  const Mapping window = Mapping::Anonymous(kPages * kPage, kPage).value();
  const Fd blob(memfd_create("blob", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(blob.get(), kPage), 0);
  const auto map = [&](uint64_t at, uint64_t pages, uint64_t of_blob) {
    void* const place = window.data() + at * kPage;
    ASSERT_EQ(mmap(place, pages * kPage, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_FIXED, blob.get(),
                   static_cast<off_t>(of_blob * kPage)),
              place);
  };
  map(1, 600, 1);
  map(700, 1, 0);
  map(701, 2, 0);
  map(703, 1, 0);
  map(999, 1, 3);
  window.data()[700 * kPage] = 7;
  const MemorySlots& slots = guest_->vm().memory_slots();
  std::atomic<bool> stop = false;
  uint64_t seen = 0;
  EXPECT_FALSE(slots.ReplaceLostPages(seen, stop));  // There is none.
  ASSERT_TRUE(guest_->vm()
                  .memory_slots()
                  .AddWindow(TinyGuest::kMemorySize << 4, window.bytes())
                  .ok());
  stop = true;
  EXPECT_FALSE(slots.ReplaceLostPages(seen, stop));
  stop = false;
  ASSERT_TRUE(slots.ReplaceLostPages(seen, stop));
  EXPECT_FALSE(slots.ReplaceLostPages(seen, stop));
  // Another vCPU, that met one of them too, has it done for it, once.
  uint64_t seen_by_other = 0;
  EXPECT_TRUE(slots.ReplaceLostPages(seen_by_other, stop));
  EXPECT_FALSE(slots.ReplaceLostPages(seen_by_other, stop));
  for (const uint64_t page : {1, 256, 257, 600, 702, 999}) {
    EXPECT_EQ(window.data()[page * kPage], 0) << page;
  }
  for (const uint64_t page : {700, 701, 703}) {
    EXPECT_EQ(window.data()[page * kPage], 7) << page;
  }
  for (const uint64_t page : {0, 650, 998}) {
    unsigned char is_made = 1;
    ASSERT_EQ(mincore(window.data() + page * kPage, kPage, &is_made), 0);
    EXPECT_EQ(is_made & 1, 0) << page;
  }
}

// madvise(2) of such mappings, most GPU drivers' among them (VM_PFNMAP).
TEST_F(KvmWindowPagesTest, MappingsThatCannotBePopulatedAreToldByATouch) {
  constexpr HostFault::Plan kRefused = {.first = 0, .error = EINVAL};
  {
    const HostFault fault(kRefused);
    EXPECT_TRUE(Make(0));
    EXPECT_EQ(fault.failed(), "madvise(0)");
  }
  {
    const HostFault fault(kRefused);
    EXPECT_FALSE(Make(kPage));
  }
  EXPECT_EQ(window_.data()[0], 7);
}

TEST_F(KvmWindowPagesTest, RamAndWhatIsOutsideIsLeftAlone) {
  const MemorySlots& slots = guest_->vm().memory_slots();
  for (const uint64_t address :
       {uint64_t{0}, kOutside - 1, kOutside + 3 * kPage, UINT64_MAX}) {
    EXPECT_FALSE(slots.MakeWindowPage(address)) << address;
    EXPECT_FALSE(slots.ReplaceWindowPage(address)) << address;
  }
}

}  // namespace
}  // namespace nacre::vmm::x86_64
