// Submissions that take a modelled time: fences never signal before it is over.

#include <time.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulator/simulated_device.h"
#include "simulator/test_client.h"

namespace nacre::simulator {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

std::unique_ptr<SimulatedDevice> NewDevice(const TimeModel& model) {
  return SimulatedDevice::Create(
             {.hang_timeout = milliseconds(300), .time_model = model})
      .value();
}

TEST(ModelledTimeTest, ASubmissionTakesItsTimeEvenIfItIsEmpty) {
  const auto device = NewDevice({.submission = milliseconds(5)});
  Client client(*device);
  const Clock::time_point start = Clock::now();
  client.SubmitAndWait(Stream().Command(Opcode::kNop, {}));
  EXPECT_GE(Clock::now() - start, milliseconds(5));
}

TEST(ModelledTimeTest, QueuedSubmissionsRunOneAfterTheOther) {
  const auto device = NewDevice({.submission = milliseconds(3)});
  Client first(*device);
  Client second(*device);
  const Clock::time_point start = Clock::now();
  std::vector<Fd> fences;
  for (int i = 0; i < 4; ++i) {
    fences.push_back((i % 2 == 0 ? first : second)
                         .Submit(Stream().Command(Opcode::kNop, {})));
  }
  for (int i = 0; i < 4; ++i) {
    WaitFor(fences[i]);
    EXPECT_GE(Clock::now() - start, (i + 1) * milliseconds(3));
  }
}

// Drivers poll what an event writes, and never ask the kernel.
TEST(ModelledTimeTest, WritesThatTellOfTheEndComeAtTheEnd) {
  const auto device = NewDevice({.submission = milliseconds(5)});
  Client client(*device);
  const ClientBuffer buffer = client.NewBuffer();
  const Clock::time_point start = Clock::now();
  const Fd fence = client.Submit(Stream().Command(
      Opcode::kEventWrite, {4, Low(buffer.iova), High(buffer.iova), 1}));
  while (__atomic_load_n(buffer.dwords().data(), __ATOMIC_ACQUIRE) == 0) {
    ASSERT_LT(Clock::now() - start, std::chrono::seconds(10));
  }
  EXPECT_GE(Clock::now() - start, milliseconds(5));
  WaitFor(fence);
}

// Timestamps are the model's, whatever else the machine does.
TEST(ModelledTimeTest, BytesTakeTimeAndTimestampsShowIt) {
  constexpr uint32_t kDwords = 10'000;  // 40 kB read, 40 kB written.
  const auto device = NewDevice({.bytes_per_microsecond = 10});
  Client client(*device);
  const ClientBuffer buffer = client.NewBuffer(0x20000);
  const uint64_t times = buffer.iova + 0x1f000;
  constexpr uint32_t kTimestamp = 4 | 1u << 30;
  const Clock::time_point start = Clock::now();
  client.SubmitAndWait(
      Stream()
          .Command(Opcode::kEventWrite,
                   {kTimestamp, Low(times), High(times), 0})
          .Command(Opcode::kMemcpy,
                   {kDwords, Low(buffer.iova), High(buffer.iova),
                    Low(buffer.iova + 0xf000), High(buffer.iova)})
          .Command(Opcode::kEventWrite,
                   {kTimestamp, Low(times + 8), High(times), 0}));
  EXPECT_GE(Clock::now() - start, milliseconds(8));
  const std::span<uint32_t> at = buffer.dwords().subspan(0x1f000 / 4);
  constexpr uint32_t kTicksPerMillisecond = 19'200;
  EXPECT_GE(at[2] - at[0], 8 * kTicksPerMillisecond);
  EXPECT_LT(at[2] - at[0], 9 * kTicksPerMillisecond);
}

// A fill of 8192 pixels, which the registers after a reset leave at address 0:
// nothing is there, but the engine writes them all the same.
TEST(ModelledTimeTest, PixelsTakeTime) {
  const auto device = NewDevice({.pixels_per_microsecond = 1});
  Client client(*device);
  const Clock::time_point start = Clock::now();
  constexpr uint32_t kUnorm8 = 0x10;
  constexpr uint32_t kRgba8 = 0x30;
  client.SubmitAndWait(Stream()
                           .Registers(0x8c00, {1 << 7 | kUnorm8 << 24})
                           .Registers(0x8c17, {kRgba8})
                           .Registers(0x8405, {0, 127 | 63 << 16})
                           .Command(Opcode::kBlit, {3}));
  EXPECT_EQ(device->stats().command_processor.blit_pixels, 8192u);
  EXPECT_GE(Clock::now() - start, std::chrono::microseconds(8192));
}

// The GPU thread sleeps; so does who waits for it.
TEST(ModelledTimeTest, TakesNoTimeOfTheCpu) {
  const auto cpu_time = [] {
    timespec time = {};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) +
           std::chrono::nanoseconds(time.tv_nsec);
  };
  const auto device = NewDevice({.submission = milliseconds(100)});
  Client client(*device);
  client.SubmitAndWait(Stream().Command(Opcode::kNop, {}));
  const auto before = cpu_time();
  client.SubmitAndWait(Stream().Command(Opcode::kNop, {}));
  EXPECT_LT(cpu_time() - before, milliseconds(50));
}

// As the driver's hangcheck would: no program may keep the GPU to itself.
TEST(ModelledTimeTest, TooMuchWorkInOneSubmissionIsAHang) {
  const auto device =
      SimulatedDevice::Create({.hang_timeout = milliseconds(10),
                               .time_model = {.bytes_per_microsecond = 1}})
          .value();
  Client client(*device);
  const ClientBuffer buffer = client.NewBuffer(0x10000);
  const Stream copy = Stream().Command(
      Opcode::kMemcpy, {0x1000, Low(buffer.iova), High(buffer.iova),
                        Low(buffer.iova + 0x8000), High(buffer.iova)});
  const Clock::time_point start = Clock::now();
  client.SubmitAndWait(copy);
  EXPECT_GE(Clock::now() - start, milliseconds(10));
  EXPECT_EQ(client.Faults(), 1u);
  client.SubmitAndWait(Stream().Command(Opcode::kNop, {}));
  EXPECT_EQ(client.Faults(), 1u);
}

TEST(ModelledTimeTest, AModelInWhichEverySubmissionHangsIsRefused) {
  const absl::Status status =
      SimulatedDevice::Create({.hang_timeout = milliseconds(100),
                               .time_model = {.submission = milliseconds(100)}})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), testing::HasSubstr("100 ms"));
}

TEST(ModelledTimeTest, DestructionDoesNotWaitForTheModel) {
  auto device = SimulatedDevice::Create(
                    {.hang_timeout = std::chrono::hours(2),
                     .time_model = {.submission = std::chrono::hours(1)}})
                    .value();
  Client client(*device);
  const Fd fence = client.Submit(Stream().Command(Opcode::kNop, {}));
  client.Exit();
  device.reset();
  EXPECT_TRUE(Signalled(fence));
}

}  // namespace
}  // namespace nacre::simulator
