// A GPU that hangs, as its clients see it (abi C.9; msm_gpu.c, recover_worker).

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "gtest/gtest.h"
#include "simulator/simulated_device.h"
#include "simulator/test_client.h"

namespace nacre::simulator {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

class HangTest : public testing::Test {
 protected:
  static constexpr milliseconds kHangTimeout{30};
  static constexpr milliseconds kResetTime{5};

  static uint32_t QueueFaults(Client& client, uint32_t queue) {
    uint32_t faults = 0;
    const std::span<uint8_t> bytes(reinterpret_cast<uint8_t*>(&faults), 4);
    EXPECT_EQ(
        client.file()
            .SubmitqueueQuery(queue, msm::MSM_SUBMITQUEUE_PARAM_FAULTS, bytes)
            .value(),
        4u);
    return faults;
  }
  static Stream WaitFor1(const ClientBuffer& flag) {
    return Stream().Command(Opcode::kWaitMemGte,
                            {0, Low(flag.iova), High(flag.iova), 1});
  }

  std::unique_ptr<SimulatedDevice> device_ =
      SimulatedDevice::Create({.hang_timeout = kHangTimeout,
                               .reset_time = kResetTime,
                               .work_limit = 1 << 20})
          .value();
  Client guilty_{*device_};
  Client innocent_{*device_};
};

TEST_F(HangTest, TheFileAndTheQueueThatHungHaveAFaultAndNobodyElse) {
  const uint32_t other_queue = guilty_.file().SubmitqueueNew(0, 0).value();
  guilty_.SubmitAndWait(Stream().Raw({0}));
  EXPECT_EQ(guilty_.Faults(), 1u);
  EXPECT_EQ(QueueFaults(guilty_, 0), 1u);
  EXPECT_EQ(QueueFaults(guilty_, other_queue), 0u);
  EXPECT_EQ(innocent_.Faults(), 0u);
  EXPECT_EQ(QueueFaults(innocent_, 0), 0u);
  EXPECT_EQ(device_->stats().faults, 1u);
}

// A fence cannot tell (its sync_file says success); the count of faults must.
TEST_F(HangTest, TheFaultIsCountedWhenTheFenceSignals) {
  const Fd fence = guilty_.Submit(Stream().Raw({0}));
  WaitFor(fence);
  EXPECT_EQ(guilty_.Faults(), 1u);
  EXPECT_TRUE(guilty_.file().WaitFence(0, guilty_.last_fence(), 0).ok());
}

TEST_F(HangTest, AnIllegalPacketIsNoticedAtOnceAndResetsTheGpu) {
  auto patient = SimulatedDevice::Create({.hang_timeout = std::chrono::hours(1),
                                          .reset_time = kResetTime})
                     .value();
  Client client(*patient);
  const Clock::time_point start = Clock::now();
  client.SubmitAndWait(Stream().Raw({0}));
  EXPECT_GE(Clock::now() - start, kResetTime);
}

TEST_F(HangTest, AWaitIsNoHangBeforeTheHangcheckPeriodHasPassed) {
  const ClientBuffer flag = guilty_.NewBuffer();
  const Clock::time_point start = Clock::now();
  guilty_.SubmitAndWait(WaitFor1(flag));
  EXPECT_GE(Clock::now() - start, kHangTimeout);
  EXPECT_EQ(guilty_.Faults(), 1u);
}

// What an event that the host sets is for.
TEST_F(HangTest, AWaitForAnotherProcessIsNoHang) {
  auto patient =
      SimulatedDevice::Create({.hang_timeout = std::chrono::hours(1)}).value();
  Client waits(*patient);
  Client sets(*patient);
  const ClientBuffer flag = waits.NewBuffer();
  const ClientBuffer theirs =
      sets.Import(waits.file().GemExport(flag.handle).value());
  const Fd fence = waits.Submit(WaitFor1(flag).Store(flag.iova + 4, 7));
  __atomic_store_n(theirs.dwords().data(), 1, __ATOMIC_RELEASE);
  WaitFor(fence);
  EXPECT_EQ(flag.dwords()[1], 7u);
  EXPECT_EQ(waits.Faults(), 0u);
  EXPECT_EQ(sets.Faults(), 0u);
}

// "all other jobs are replayed": those of the same queue too.
TEST_F(HangTest, SubmissionsBehindAHungOneRun) {
  const ClientBuffer flag = guilty_.NewBuffer();
  const ClientBuffer mine = guilty_.NewBuffer();
  const ClientBuffer theirs = innocent_.NewBuffer();
  const Fd hung = guilty_.Submit(WaitFor1(flag).Store(mine.iova, 1));
  const Fd behind = guilty_.Submit(Stream().Store(mine.iova + 4, 2));
  const Fd other = innocent_.Submit(Stream().Store(theirs.iova, 3));
  WaitFor(hung);
  WaitFor(behind);
  WaitFor(other);
  EXPECT_EQ(mine.dwords()[0], 0u);
  EXPECT_EQ(mine.dwords()[1], 2u);
  EXPECT_EQ(theirs.dwords()[0], 3u);
  EXPECT_EQ(guilty_.Faults(), 1u);
  EXPECT_EQ(innocent_.Faults(), 0u);
  // The context stays usable.
  guilty_.SubmitAndWait(Stream().Store(mine.iova, 4));
  EXPECT_EQ(mine.dwords()[0], 4u);
}

TEST_F(HangTest, RegistersAreResetAndMemoryStays) {
  const ClientBuffer buffer = innocent_.NewBuffer();
  innocent_.SubmitAndWait(
      Stream().Registers(0x8c20, {5}).Store(buffer.iova, 6));
  guilty_.SubmitAndWait(Stream().Raw({0}));
  innocent_.SubmitAndWait(Stream().Command(
      Opcode::kRegToMem, {0x8c20, Low(buffer.iova + 4), High(buffer.iova)}));
  EXPECT_EQ(buffer.dwords()[0], 6u);
  EXPECT_EQ(buffer.dwords()[1], 0u);
}

// "or global_faults if the submitting task is gone": everybody is told then.
TEST_F(HangTest, AHangOfAProcessThatIsGoneIsEverybodys) {
  const ClientBuffer flag = guilty_.NewBuffer();
  // The first store tells that it runs: a closed file's would be dropped.
  const Fd fence =
      guilty_.Submit(Stream()
                         .Store(flag.iova + 4, 1)
                         .Command(Opcode::kWaitMemGte,
                                  {0, Low(flag.iova), High(flag.iova), 1}));
  while (__atomic_load_n(&flag.dwords()[1], __ATOMIC_ACQUIRE) == 0) continue;
  guilty_.Exit();
  WaitFor(fence);
  EXPECT_EQ(innocent_.Faults(), 1u);
}

// SMMU faults: the job goes on, no fault counter moves (abi C.6).
TEST_F(HangTest, AccessesWhereNoBufferIsAreNoHang) {
  const ClientBuffer buffer = guilty_.NewBuffer();
  constexpr uint64_t kNowhere = 0x1'8000'0000;
  guilty_.SubmitAndWait(
      Stream()
          .Store(kNowhere, 1)
          .Store(buffer.iova, 2)
          .Command(Opcode::kMemToMem, {0, Low(buffer.iova), High(buffer.iova),
                                       Low(kNowhere), High(kNowhere)})
          .Store(buffer.iova + 4, 3));
  EXPECT_EQ(buffer.dwords()[0], 0u);
  EXPECT_EQ(buffer.dwords()[1], 3u);
  EXPECT_EQ(guilty_.Faults(), 0u);
  EXPECT_EQ(device_->stats().command_processor.unmapped_reads, 1u);
  EXPECT_EQ(device_->stats().command_processor.unmapped_writes, 1u);
}

// A buffer whose address was given back while its stream was to be run.
TEST_F(HangTest, AStreamWithoutABufferBehindItIsAHang) {
  guilty_.SubmitAndWait(Stream().Call(0x1'8000'0000, 16));
  EXPECT_EQ(guilty_.Faults(), 1u);
}

// Submits what never ends and begins with a store of 1 to `flag`; destroys the
// device when it runs. (Sooner, the submission would be dropped.)
class DestructionTest : public testing::Test {
 protected:
  void RunsUntilDestroyed(const Stream& stream) {
    flag_.Write(stream);
    const Fd fence = client_->TrySubmit(flag_, stream.dwords().size()).value();
    while (__atomic_load_n(&flag_.dwords()[kFlag], __ATOMIC_ACQUIRE) == 0) {
      continue;
    }
    client_.reset();
    device_.reset();
    EXPECT_TRUE(Signalled(fence));
  }

  static constexpr size_t kFlag = 512;
  std::unique_ptr<SimulatedDevice> device_ =
      SimulatedDevice::Create({.work_limit = ~uint64_t{0}}).value();
  std::optional<Client> client_{*device_};
  const ClientBuffer flag_ = client_->NewBuffer();
  const Stream begins_ = Stream().Store(flag_.iova + 4 * kFlag, 1);
};

TEST_F(DestructionTest, EndsAnEndlessLoop) {
  Stream loop = begins_;
  RunsUntilDestroyed(loop.Command(Opcode::kIndirectBufferChain,
                                  {Low(flag_.iova), High(flag_.iova), 8}));
}

// A single packet that moves 16 GiB.
TEST_F(DestructionTest, EndsALongCopy) {
  Stream copy = begins_;
  RunsUntilDestroyed(copy.Command(Opcode::kMemcpy, {0xffffffff, 0, 0, 0, 0}));
}

TEST_F(HangTest, AnEndlessLoopOfBuffersEnds) {
  const ClientBuffer loop = guilty_.NewBuffer();
  const Stream self = Stream().Command(Opcode::kIndirectBufferChain,
                                       {Low(loop.iova), High(loop.iova), 4});
  loop.Write(self);
  const Fd fence = guilty_.TrySubmit(loop, 4).value();
  const Fd other = innocent_.Submit(Stream().Command(Opcode::kNop, {}));
  WaitFor(fence);
  WaitFor(other);
  EXPECT_EQ(guilty_.Faults(), 1u);
  EXPECT_EQ(innocent_.Faults(), 0u);
}

}  // namespace
}  // namespace nacre::simulator
