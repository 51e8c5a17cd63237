// A guest that never leaves by itself is stopped, whatever the process that
// runs it has inherited.

#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "base/fd.h"
#include "gtest/gtest.h"
#include "vmm/event_loop.h"
#include "vmm/io_device.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine.h"
#include "vmm/testing/tiny_kernels.h"
#include "vmm/testing/tiny_machine.h"

namespace nacre::vmm {
namespace {

class MachineStopTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = Kvm::Open().status(); !status.ok()) {
      GTEST_SKIP() << status;
    }
    // The second vCPU waits in KVM to be started.
    config_ = TinyMachine(SpinningKernel());
  }

  // Runs the guest, and stops it once it spins. Hangs where it cannot be.
  void RunAndStop() {
    std::array<int, 2> ends;
    ASSERT_EQ(pipe(ends.data()), 0);
    const Fd reader(ends[0]);
    const Fd writer(ends[1]);
    config_.console_output_fd = writer.get();
    const std::unique_ptr<EventLoop> loop = EventLoop::Create().value();
    ASSERT_TRUE(
        loop->Watch(reader.get(), EPOLLIN, [&](uint32_t) { loop->Stop(); })
            .ok());
    const std::unique_ptr<Machine> machine = Machine::Create(config_).value();
    EXPECT_EQ(machine->Run(*loop).kind, Outcome::Kind::kStopped);
  }

  MachineConfig config_;
};

// As where this user has used up its signals in queues: those are real-time
// ones (setrlimit(2), RLIMIT_SIGPENDING).
TEST_F(MachineStopTest, WhereNoSignalCanBeQueued) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_SIGPENDING, &before), 0);
  const rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_SIGPENDING, &none), 0);
  RunAndStop();
  ASSERT_EQ(setrlimit(RLIMIT_SIGPENDING, &before), 0);
}

// An exec keeps the mask of whoever launched this, and threads inherit it.
TEST_F(MachineStopTest, WhereSignalsAreBlocked) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
  RunAndStop();
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
}

// A device whose write blocks in the host, as the console's does while nobody
// reads it; the stop's signal comes just before that.
class BlockingDevice final : public IoDevice {
 public:
  explicit BlockingDevice(EventLoop& loop) : loop_(loop) {}
  void Read(uint64_t, std::span<uint8_t>) override {}
  void Write(uint64_t, std::span<const uint8_t>) override {
    std::array<int, 2> ends;
    ASSERT_EQ(pipe(ends.data()), 0);
    const Fd reader(ends[0]);
    const Fd writer(ends[1]);
    sigset_t kick;
    sigemptyset(&kick);
    sigaddset(&kick, SIGUSR1);
    ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &kick, nullptr), 0);
    loop_.Stop();
    int signal = 0;
    ASSERT_EQ(sigwait(&kick, &signal), 0);
    ASSERT_EQ(pthread_sigmask(SIG_UNBLOCK, &kick, nullptr), 0);
    char byte = 0;
    EXPECT_EQ(read(reader.get(), &byte, 1), -1);
    EXPECT_EQ(errno, EINTR);
  }

 private:
  EventLoop& loop_;
};

TEST_F(MachineStopTest, WhereASignalComesJustBeforeADeviceBlocks) {
  const uint64_t address =
      Machine::Create(config_).value()->pci_ranges().window32.address;
  config_ = TinyMachine(StoringKernel(static_cast<uint32_t>(address)));
  const std::unique_ptr<EventLoop> loop = EventLoop::Create().value();
  BlockingDevice device(*loop);
  const std::unique_ptr<Machine> machine = Machine::Create(config_).value();
  ASSERT_TRUE(machine->mmio_bus().Insert(address, 1, &device).ok());
  EXPECT_EQ(machine->Run(*loop).kind, Outcome::Kind::kStopped);
}

}  // namespace
}  // namespace nacre::vmm
