// The guest's half must cost less than what is measured with it: this program
// counts the allocations of a command, there and back.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "base/bytes.h"
#include "base/event_fd.h"
#include "base/testing/allocations.h"
#include "devices/virtio/virtqueue.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"
#include "gtest/gtest.h"
#include "tools/guest_kernel/control_queue.h"
#include "vmm/guest_memory.h"

namespace nacre::guest_kernel {
namespace {

using virtio_gpu::wire::CtrlHeader;
using virtio_gpu::wire::Submit3d;
using virtio_gpu::wire::Type;

constexpr uint16_t kSize = 64;

class ControlQueueAllocationTest : public testing::Test {
 protected:
  ControlQueueAllocationTest() {
    const QueueAddresses addresses = queue_.addresses();
    auto device = virtio::Virtqueue::Create(
        &memory_, {.size = kSize,
                   .descriptor_table = addresses.descriptor_table,
                   .available_ring = addresses.available_ring,
                   .used_ring = addresses.used_ring,
                   .event_index = true,
                   .indirect = true});
    CHECK(device.ok()) << device.status();
    device_.emplace(*std::move(device));
    queue_.Start(&kick_, std::thread::id());
  }

  static vmm::GuestMemory CreateMemory() {
    const vmm::GuestMemory::RegionSpec region{
        0, (ControlQueue::SizeOf(kSize) + 0xffff) & ~uint64_t{0xffff}};
    auto memory = vmm::GuestMemory::Create({&region, 1});
    CHECK(memory.ok()) << memory.status();
    return *std::move(memory);
  }

  void Submit(std::span<const uint8_t> payload, std::shared_ptr<Fence> fence) {
    GpuCommand command(Type::kSubmit3d, 1);
    command.With(Submit3d{static_cast<uint32_t>(payload.size()), 0});
    command.payload = payload;
    command.fence = std::move(fence);
    queue_.Queue(std::move(command), ControlQueue::Kick::kNow);
  }
  void AnswerAll() {
    for (;;) {
      auto chain = device_->Pop();
      CHECK(chain.ok()) << chain.status();
      if (!*chain) return;
      CtrlHeader header;
      CHECK((*chain)->Read(AsWritableBytes(header)).ok());
      header.type = static_cast<uint32_t>(Type::kOkNodata);
      CHECK((*chain)->Write(AsBytes(header)).ok());
      device_->Complete(**std::move(chain));
    }
  }
  // Of rounds of commands, `fenced` or not, once warm.
  static constexpr int kWarmUp = 3;
  static constexpr int kRounds = 7;
  static constexpr int kCommands = 20;
  int CountAllocations(bool fenced) {
    int64_t counted = 0;
    for (int round = 0; round < kWarmUp + kRounds; ++round) {
      if (round == kWarmUp) counted = 0;
      for (int i = 0; i < kCommands; ++i) {
        const int64_t before = Allocations();
        Submit(payload_,
               fenced ? std::make_shared<Fence>(1, &counters_) : nullptr);
        counted += Allocations() - before;
      }
      AnswerAll();
      const int64_t before = Allocations();
      queue_.Reap();
      counted += Allocations() - before;
    }
    return counted;
  }

  const std::array<uint8_t, 500> payload_ = {};
  vmm::GuestMemory memory_ = CreateMemory();
  DriverCounters counters_;
  EventFd kick_ = *EventFd::Create();
  ControlQueue queue_{&memory_, /*address=*/0, kSize, &counters_};
  std::optional<virtio::Virtqueue> device_;
};

TEST_F(ControlQueueAllocationTest, ACommandTakesNone) {
  EXPECT_EQ(CountAllocations(/*fenced=*/false), 0);
}

// As in Linux.
TEST_F(ControlQueueAllocationTest, AFenceIsOne) {
  // The fixture has some.
  if (Allocations() == 0) GTEST_SKIP() << "a sanitizer's runtime allocates";
  EXPECT_EQ(CountAllocations(/*fenced=*/true), kRounds * kCommands);
}

}  // namespace
}  // namespace nacre::guest_kernel
