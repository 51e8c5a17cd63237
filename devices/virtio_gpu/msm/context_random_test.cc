#include <algorithm>
#include <random>
#include <vector>

#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "devices/virtio_gpu/msm/testing/random_guest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

std::vector<uint8_t> RandomBytes(uint32_t seed, size_t size) {
  std::mt19937 random(seed);
  std::vector<uint8_t> bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

// What a run left behind, as far as anybody can see it.
struct Outcome {
  std::vector<uint8_t> shmem;
  std::vector<FakeSubmit> submits;
  size_t handles;
  size_t queues;
  uint64_t async_errors;
  uint64_t upload_bytes;
};

Outcome RunGuest(const std::vector<uint8_t>& bytes, bool batched) {
  FakeDrmDevice device;
  const auto type = *MsmContextType::Create(device);
  RandomGuest guest(*type, device, {.batched = batched});
  guest.Run(bytes);
  return {.shmem = {guest.shmem().begin(), guest.shmem().end()},
          .submits = device.submits(),
          .handles = device.handles(),
          .queues = device.queues(),
          .async_errors = type->counters().async_errors.value(),
          .upload_bytes = type->counters().upload_bytes.value()};
}

bool SameSubmit(const FakeSubmit& a, const FakeSubmit& b) {
  const auto bos = [](const FakeSubmit& submit) {
    std::vector<std::pair<uint32_t, uint32_t>> result;
    for (const auto& bo : submit.bos) result.emplace_back(bo.flags, bo.handle);
    return result;
  };
  return a.flags == b.flags && a.queue_id == b.queue_id && a.fence == b.fence &&
         bos(a) == bos(b) && a.cmds.size() == b.cmds.size();
}

TEST(ContextRandomTest, BatchedOrOneByOneCommandsDoTheSame) {
  size_t submits = 0;
  for (uint32_t seed = 0; seed < 60; ++seed) {
    const std::vector<uint8_t> bytes = RandomBytes(seed, 6000);
    const Outcome batched = RunGuest(bytes, true);
    const Outcome single = RunGuest(bytes, false);
    ASSERT_EQ(batched.shmem, single.shmem) << seed;
    ASSERT_TRUE(std::equal(batched.submits.begin(), batched.submits.end(),
                           single.submits.begin(), single.submits.end(),
                           SameSubmit))
        << seed;
    ASSERT_EQ(batched.handles, single.handles) << seed;
    ASSERT_EQ(batched.queues, single.queues) << seed;
    ASSERT_EQ(batched.async_errors, single.async_errors) << seed;
    ASSERT_EQ(batched.upload_bytes, single.upload_bytes) << seed;
    submits += batched.submits.size();
  }
  // The commands were not all nonsense.
  EXPECT_GT(submits, 150u);
}

class ContextLeakTest : public ContextTestBase {};

TEST_F(ContextLeakTest, HundredsOfThousandsOfCommandsLeaveNothingOpen) {
  size_t mappings = 0;
  uint64_t commands = 0;
  for (uint32_t seed = 1000; commands < 300'000; ++seed) {
    // The first one gave the heap its size.
    if (seed == 1001) mappings = CountMappings();
    RandomGuest guest(*type_, device_,
                      {.broken_framing = true, .failures = true});
    guest.Run(RandomBytes(seed, 400'000));
    commands += guest.last_seqno();
    device_.FailNoMore();
  }
  EXPECT_LE(CountMappings(), mappings + 20);
  EXPECT_GT(counters().submits.value(), 100u);
  EXPECT_GT(counters().malformed.value(), 1000u);
}

}  // namespace
}  // namespace nacre::msm
