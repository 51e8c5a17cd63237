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
  bool Restore(uint64_t offset, bool give_up = false) {
    return guest_->vm().memory_slots().RestoreWindowPage(kOutside + offset,
                                                         give_up);
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

// As aarch64's KVM and x86-64's before Linux 6.8 do.
constexpr HostFault::Plan kFaultSomewhere = {
    .first = 0, .error = EFAULT, .request = KVM_RUN};

TEST_F(KvmWindowPagesTest, WhereKvmDoesNotSayWhichPageItEndsNoMachine) {
  const Code code = LoadAl(kOutside) + OutAl(kPort) + kDone;
  {
    const HostFault fault(kFaultSomewhere);
    const Outcome outcome = Run(code);
    ASSERT_EQ(outcome.kind, Outcome::Kind::kStopped) << outcome.message;
    EXPECT_EQ(port_.value, 7u);
  }
  for (const uint64_t page : {kPage, 2 * kPage}) {
    EXPECT_EQ(window_.data()[page], 0);
    window_.data()[page] = 1;
  }
  // What can be had is still the file's.
  window_.data()[1] = 8;
  uint8_t byte = 0;
  EXPECT_EQ(pread(blob_.get(), &byte, 1, 1), 1);
  EXPECT_EQ(byte, 8);
}

// A guest whose kicks and interrupts are events may have no other exits.
TEST_F(KvmWindowPagesTest, NorDoesItWherePagesGoAgainAndAgain) {
  constexpr int kTimes = 10;
  KvmVcpu& vcpu = guest_->Load(kDone);
  HostFault::Plan plan = kFaultSomewhere;
  plan.repeatedly = true;
  const HostFault fault(plan);
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
  HostFault::Plan plan = kFaultSomewhere;
  plan.repeatedly = true;
  const HostFault fault(plan);
  const Outcome outcome = Run(kDone);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kInternalError);
  EXPECT_LT(fault.calls(), 20u);
}

// KVM says so, too, where the host has no memory for a page of RAM.
TEST_F(KvmWindowPagesTest, AFaultThatRemainsForAMomentDoesNot) {
  constexpr int kTimes = 10;
  KvmVcpu& vcpu = guest_->Load(MovAl(7) + OutAl(kPort) + kDone);
  HostFault::Plan plan = kFaultSomewhere;
  plan.repeatedly = true;
  std::optional<HostFault> fault(plan);
  int times = 0;
  const Outcome outcome =
      vcpu.Run(guest_->ports(), guest_->mmio(), guest_->counters(), [&] {
        if (++times == kTimes) fault.reset();
        return false;
      });
  EXPECT_EQ(outcome.kind, Outcome::Kind::kStopped) << outcome.message;
  EXPECT_EQ(port_.value, 7u);
}

TEST_F(KvmWindowPagesTest, APageThatCanBeHadIsKept) {
  EXPECT_TRUE(Restore(0));
  EXPECT_EQ(window_.data()[0], 7);
  // As the owner of the window would map it anew.
  ASSERT_EQ(ftruncate(blob_.get(), 2 * kPage), 0);
  EXPECT_TRUE(Restore(kPage + 5));
  window_.data()[kPage] = 3;
  uint8_t byte = 0;
  EXPECT_EQ(pread(blob_.get(), &byte, 1, kPage), 1);
  EXPECT_EQ(byte, 3);
}

TEST_F(KvmWindowPagesTest, OneThatCannotBecomesZeroes) {
  for (const uint64_t page : {kPage, 2 * kPage}) {
    EXPECT_TRUE(Restore(page + 5));
    EXPECT_EQ(window_.data()[page], 0);
    window_.data()[page] = 1;
  }
  EXPECT_EQ(window_.data()[0], 7);
  // KVM has no use for it though the host has it.
  EXPECT_TRUE(Restore(0, /*give_up=*/true));
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
  EXPECT_FALSE(slots.RestoreWindows(seen, stop));  // There is none.
  ASSERT_TRUE(guest_->vm()
                  .memory_slots()
                  .AddWindow(TinyGuest::kMemorySize << 4, window.bytes())
                  .ok());
  stop = true;
  EXPECT_FALSE(slots.RestoreWindows(seen, stop));
  stop = false;
  ASSERT_TRUE(slots.RestoreWindows(seen, stop));
  EXPECT_FALSE(slots.RestoreWindows(seen, stop));
  // Another vCPU, that met one of them too, has it done for it, once.
  uint64_t seen_by_other = 0;
  EXPECT_TRUE(slots.RestoreWindows(seen_by_other, stop));
  EXPECT_FALSE(slots.RestoreWindows(seen_by_other, stop));
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
    EXPECT_TRUE(Restore(0));
    EXPECT_EQ(fault.failed(), "madvise(0)");
  }
  EXPECT_EQ(window_.data()[0], 7);
  {
    const HostFault fault(kRefused);
    EXPECT_TRUE(Restore(kPage));
  }
  EXPECT_EQ(window_.data()[kPage], 0);
}

TEST_F(KvmWindowPagesTest, RamAndWhatIsOutsideIsLeftAlone) {
  MemorySlots& slots = guest_->vm().memory_slots();
  EXPECT_FALSE(slots.RestoreWindowPage(0, false));
  EXPECT_FALSE(slots.RestoreWindowPage(kOutside - 1, false));
  EXPECT_FALSE(slots.RestoreWindowPage(kOutside + 3 * kPage, false));
  EXPECT_FALSE(slots.RestoreWindowPage(UINT64_MAX, false));
}

}  // namespace
}  // namespace nacre::vmm::x86_64
