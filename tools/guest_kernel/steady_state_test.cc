#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "devices/virtio_gpu/msm/wire.h"
#include "glog/logging.h"
#include "gtest/gtest.h"
#include "simulator/pm4.h"
#include "tools/guest_kernel/guest_machine.h"
#include "tools/guest_kernel/mesa_client.h"

// What a frame costs once everything is there: counted, as times do not hold on
// every machine.

namespace nacre::guest_kernel {
namespace {

// The increase of a counter.
template <typename Counts>
class Growth {
 public:
  explicit Growth(const Counts& counter)
      : counter_(counter), before_(counter.value()) {}
  uint64_t value() const { return counter_.value() - before_; }

 private:
  const Counts& counter_;
  const uint64_t before_;
};

class SteadyStateTest : public testing::Test {
 protected:
  SteadyStateTest() {
    auto machine = GuestMachine::Create({});
    CHECK(machine.ok()) << machine.status();
    machine_ = *std::move(machine);
    mesa_ = std::make_unique<MesaClient>(&machine_->gpu());
  }

  const DriverCounters& counters() { return machine_->gpu().counters(); }
  void Wait(const std::shared_ptr<Fence>& fence) {
    ASSERT_TRUE(fence->Wait(std::chrono::steady_clock::now() +
                            std::chrono::seconds(30)));
  }

  std::unique_ptr<GuestMachine> machine_;
  std::unique_ptr<MesaClient> mesa_;
};

TEST_F(SteadyStateTest, FramesMakeNoRoundTrips) {
  constexpr int kFrames = 100;
  constexpr int kSubmitsPerFrame = 8;
  const uint32_t queue = mesa_->NewQueue(0);
  MesaClient::Buffer stream = mesa_->NewBuffer(4096);
  mesa_->Map(stream);
  stream.word(0) = simulator::EncodeCommand(simulator::Opcode::kNop, 1);
  stream.word(1) = 0;

  const Growth round_trips(counters().round_trips);
  const Growth full(counters().queue_full_waits);
  const Growth submissions(counters().submissions);
  const Growth fences(counters().fences);
  const Growth fence_waits(counters().fence_waits);
  const Growth wake_ups(counters().wake_ups);
  const Growth interrupts(counters().interrupts);
  std::shared_ptr<Fence> last_frame;
  for (int frame = 0; frame < kFrames; ++frame) {
    std::shared_ptr<Fence> fence;
    for (int i = 0; i < kSubmitsPerFrame; ++i) {
      mesa_->AddSubmit(queue, stream, 2, {});
      fence = mesa_->FlushFenced(1);
    }
    if (last_frame != nullptr) Wait(last_frame);
    last_frame = fence;
  }
  Wait(last_frame);

  EXPECT_EQ(round_trips.value(), 0u);
  EXPECT_EQ(full.value(), 0u);
  EXPECT_EQ(submissions.value(), uint64_t{kFrames} * kSubmitsPerFrame);
  EXPECT_EQ(fences.value(), submissions.value());
  // At most the one wait for the frame before, and no wake-up without it.
  EXPECT_LE(fence_waits.value(), uint64_t{kFrames} + 1);
  EXPECT_EQ(wake_ups.value(), fence_waits.value());
  EXPECT_LE(interrupts.value(), fences.value());
  EXPECT_EQ(mesa_->async_error(), 0u);
}

// A buffer cache's miss: allocated, mapped late, let go.
TEST_F(SteadyStateTest, BuffersCostNoRoundTripsUntilTheyAreMapped) {
  const Growth round_trips(counters().round_trips);
  std::shared_ptr<Fence> fence;
  for (int i = 0; i < 100; ++i) {
    MesaClient::Buffer buffer = mesa_->NewBuffer(4096);
    mesa_->Close(std::move(buffer));
    fence = mesa_->FlushFenced(MesaClient::kCpuRing);
    if (i % 16 == 0) Wait(fence);
  }
  Wait(fence);
  EXPECT_EQ(round_trips.value(), 0u);
  EXPECT_EQ(counters().error_responses.value(), 0u);
}

// Queued together, answered together: one kick and one interrupt, but for
// rounds that began while the device was still awake.
TEST_F(SteadyStateTest, ABatchCostsAKickAndAnInterrupt) {
  constexpr uint64_t kRounds = 200;
  constexpr int kCommands = 30;
  MesaClient::Buffer buffer = mesa_->NewBuffer(4096);
  Wait(mesa_->FlushFenced(MesaClient::kCpuRing));
  const Growth commands(counters().commands);
  const Growth kicks(counters().kicks);
  const Growth interrupts(counters().interrupts);
  for (uint64_t round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kCommands; ++i) {
      mesa_->context().Attach(*buffer.blob);
    }
    Wait(mesa_->FlushFenced(MesaClient::kCpuRing));
  }
  EXPECT_EQ(commands.value(), kRounds * (kCommands + 1));
  EXPECT_LE(kicks.value(), kRounds);
  EXPECT_LE(interrupts.value(), 2 * kRounds);
}

}  // namespace
}  // namespace nacre::guest_kernel
