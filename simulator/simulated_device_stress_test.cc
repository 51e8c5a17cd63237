// Several processes at once: what they share is the GPU, and buffers.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "simulator/simulated_device.h"
#include "simulator/test_client.h"

namespace nacre::simulator {
namespace {

constexpr int kClients = 4;

// Every client counts in its own buffer; each count must have been seen by the
// CPU once its fence is readable.
TEST(SimulatedDeviceStressTest, FencesCoverTheWritesOfTheirSubmissions) {
  constexpr uint32_t kRounds = 150;
  const auto device = SimulatedDevice::Create({}).value();
  std::vector<std::thread> processes;
  for (int i = 0; i < kClients; ++i) {
    processes.emplace_back([&device] {
      Client client(*device);
      const ClientBuffer counter = client.NewBuffer();
      const uint32_t queue = client.file().SubmitqueueNew(0, 0).value();
      for (uint32_t round = 1; round <= kRounds; ++round) {
        const Fd fence =
            client.Submit(Stream().Store(counter.iova, round), queue);
        WaitFor(fence);
        ASSERT_EQ(__atomic_load_n(counter.dwords().data(), __ATOMIC_ACQUIRE),
                  round);
        ASSERT_TRUE(
            client.file().WaitFence(queue, client.last_fence(), 0).ok());
      }
    });
  }
  for (std::thread& process : processes) process.join();
  const SimulatorStats stats = device->stats();
  EXPECT_EQ(stats.submissions, kClients * kRounds);
  EXPECT_EQ(stats.submissions_retired, stats.submissions);
  EXPECT_EQ(stats.buffers, 0u);
}

// Read-modify-write of one shared buffer by all: implicit sync orders them.
TEST(SimulatedDeviceStressTest, SharedBuffersAreUpdatedOneAfterTheOther) {
  constexpr uint32_t kRounds = 100;
  const auto device = SimulatedDevice::Create({}).value();
  Client owner(*device);
  const ClientBuffer shared = owner.NewBuffer();
  const Fd dmabuf = owner.file().GemExport(shared.handle).value();
  std::vector<std::thread> processes;
  for (int i = 0; i < kClients; ++i) {
    processes.emplace_back([&device, &dmabuf] {
      Client client(*device);
      const ClientBuffer one = client.NewBuffer();
      one.dwords()[0] = 1;
      const uint64_t iova = client.Import(dmabuf).iova;
      const Stream add = Stream().Command(
          Opcode::kMemToMem, {0, Low(iova), High(iova), Low(iova), High(iova),
                              Low(one.iova), High(one.iova)});
      Fd last;
      for (uint32_t round = 0; round < kRounds; ++round) {
        last = client.Submit(add);
      }
      WaitFor(last);
    });
  }
  for (std::thread& process : processes) process.join();
  EXPECT_EQ(shared.dwords()[0], kClients * kRounds);
}

// Files that come and go, buffers released while the GPU uses them.
TEST(SimulatedDeviceStressTest, ProcessesDieAtAnyMoment) {
  constexpr int kRounds = 40;
  const auto device =
      SimulatedDevice::Create({.hang_timeout = std::chrono::milliseconds(1)})
          .value();
  std::atomic<bool> done{false};
  std::thread observer([&] {
    while (!done.load()) {
      const SimulatorStats stats = device->stats();
      EXPECT_LE(stats.submissions_retired, stats.submissions);
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> processes;
  for (int i = 0; i < kClients; ++i) {
    processes.emplace_back([&device, i] {
      for (int round = 0; round < kRounds; ++round) {
        Client client(*device);
        const ClientBuffer target = client.NewBuffer();
        for (int j = 0; j < 4; ++j) {
          client.Submit(Stream().Store(target.iova, 1).Store(target.iova, 2));
        }
        if ((round + i) % 3 == 0) {
          client.Close(target);
        }
        if ((round + i) % 7 == 0) client.Submit(Stream().Raw({0}));
      }
    });
  }
  for (std::thread& process : processes) process.join();
  while (device->stats().submissions_retired != device->stats().submissions) {
    std::this_thread::yield();
  }
  done = true;
  observer.join();
  EXPECT_EQ(device->stats().buffers, 0u);
}

}  // namespace
}  // namespace nacre::simulator
