#include "tools/guest_kernel/control_queue.h"

#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio/virtqueue.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"
#include "gtest/gtest.h"
#include "vmm/guest_memory.h"

namespace nacre::guest_kernel {
namespace {

using virtio::DescriptorChain;
using virtio_gpu::wire::CtrlHeader;
using virtio_gpu::wire::Submit3d;
using virtio_gpu::wire::Type;
using Kick = ControlQueue::Kick;

constexpr uint16_t kSize = 8;
constexpr uint64_t kBase = 0x10000;

vmm::GuestMemory CreateMemory() {
  const vmm::GuestMemory::RegionSpec region{
      0, (kBase + ControlQueue::SizeOf(kSize) + 0xffff) & ~uint64_t{0xffff}};
  auto memory = vmm::GuestMemory::Create({&region, 1});
  CHECK(memory.ok()) << memory.status();
  return *std::move(memory);
}

// The queue between the driver and a device that the test plays, step by step.
class ControlQueueTest : public testing::Test {
 protected:
  ControlQueueTest() {
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

  struct Request {
    DescriptorChain chain;
    CtrlHeader header;
    std::vector<uint8_t> body;
  };
  // The device's next request.
  std::optional<Request> Pop() {
    auto chain = device_->Pop();
    CHECK(chain.ok()) << chain.status();
    if (!*chain) return std::nullopt;
    Request request{.chain = **std::move(chain), .header = {}, .body = {}};
    CHECK(request.chain.Read(AsWritableBytes(request.header)).ok());
    request.body.resize(request.chain.readable_size() - sizeof(CtrlHeader));
    CHECK(request.chain.Read(request.body).ok());
    return request;
  }
  Request MustPop() {
    std::optional<Request> request = Pop();
    CHECK(request.has_value());
    return *std::move(request);
  }
  void Answer(Request request, Type type = Type::kOkNodata) {
    CtrlHeader response = request.header;
    response.type = static_cast<uint32_t>(type);
    CHECK(request.chain.Write(AsBytes(response)).ok());
    device_->Complete(std::move(request.chain));
  }

  void QueueNop(Kick kick = Kick::kLater) {
    queue_.Queue(GpuCommand(Type::kCtxDestroy, 1), kick);
  }
  std::shared_ptr<Fence> QueueFenced(uint64_t context) {
    GpuCommand command(Type::kSubmit3d, 1);
    command.With(Submit3d{0, 0});
    auto fence = std::make_shared<Fence>(context, &counters_);
    command.fence = fence;
    queue_.Queue(std::move(command), Kick::kNow);
    return fence;
  }

  vmm::GuestMemory memory_ = CreateMemory();
  DriverCounters counters_;
  EventFd kick_ = *EventFd::Create();
  ControlQueue queue_{&memory_, kBase, kSize, &counters_};
  std::optional<virtio::Virtqueue> device_;
};

TEST_F(ControlQueueTest, ACommandIsItsPartsOneBehindTheOther) {
  const std::vector<uint8_t> payload = {1, 2, 3, 4, 5};
  GpuCommand command(Type::kSubmit3d, 7);
  command.With(Submit3d{5, 0});
  command.payload = payload;
  queue_.Queue(std::move(command), Kick::kNow);

  Request request = MustPop();
  EXPECT_EQ(request.header.type, static_cast<uint32_t>(Type::kSubmit3d));
  EXPECT_EQ(request.header.ctx_id, 7u);
  EXPECT_EQ(request.header.flags, 0u);
  ASSERT_EQ(request.body.size(), sizeof(Submit3d) + payload.size());
  EXPECT_TRUE(std::equal(payload.begin(), payload.end(),
                         request.body.begin() + sizeof(Submit3d)));
  EXPECT_EQ(request.chain.writable_size(), sizeof(CtrlHeader));
  Answer(std::move(request));
}

TEST_F(ControlQueueTest, PayloadsOfEverySizeArrive) {
  for (const size_t size : {1, 3904, 3905, 70'000, 4 << 20}) {
    std::vector<uint8_t> payload(size);
    for (size_t i = 0; i < size; ++i) payload[i] = static_cast<uint8_t>(i * 7);
    GpuCommand command(Type::kSubmit3d);
    command.payload = payload;
    queue_.Queue(std::move(command), Kick::kLater);
    Request request = MustPop();
    EXPECT_EQ(request.body, payload);
    Answer(std::move(request));
    queue_.Reap();
  }
}

// virtio 1.x, 2.7.10.
TEST_F(ControlQueueTest, KicksWhereTheDeviceAsksForIt) {
  EXPECT_FALSE(device_->EnableKicks());
  QueueNop();
  QueueNop();
  EXPECT_EQ(kick_.Clear(), 0u);
  queue_.Notify();
  EXPECT_EQ(kick_.Clear(), 1u);
  queue_.Notify();  // Nothing new.
  QueueNop(Kick::kNow);
  EXPECT_EQ(kick_.Clear(), 0u);  // The device is awake.
  EXPECT_EQ(counters_.kicks.value(), 1u);
  EXPECT_EQ(counters_.kicks_suppressed.value(), 1u);

  while (auto request = Pop()) Answer(*std::move(request));
  EXPECT_FALSE(device_->EnableKicks());
  QueueNop(Kick::kNow);
  EXPECT_EQ(kick_.Clear(), 1u);
  Answer(MustPop());
}

// virtio 1.x, 2.7.7.
TEST_F(ControlQueueTest, WantsOneInterruptUntilItReaps) {
  for (int i = 0; i < 4; ++i) QueueNop();
  Answer(MustPop());
  Answer(MustPop());
  EXPECT_TRUE(device_->NeedsInterrupt());
  Answer(MustPop());
  EXPECT_FALSE(device_->NeedsInterrupt());
  queue_.Reap();
  EXPECT_EQ(counters_.reaped.value(), 3u);
  Answer(MustPop());
  EXPECT_TRUE(device_->NeedsInterrupt());
  queue_.Reap();
  EXPECT_EQ(counters_.reaped.value(), 4u);
  EXPECT_EQ(counters_.reaped_at_once.peak(), 3u);
}

TEST_F(ControlQueueTest, WaitsWhileTheRingIsFull) {
  device_->EnableKicks();
  for (int i = 0; i < kSize; ++i) QueueNop();
  std::thread guest([this] { QueueNop(Kick::kNow); });
  // It kicks before it sleeps.
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (kick_.Clear() == 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  Answer(MustPop());
  queue_.Reap();
  guest.join();
  EXPECT_EQ(counters_.queue_full_waits.value(), 1u);
  for (int i = 0; i < kSize; ++i) Answer(MustPop());
  EXPECT_FALSE(Pop().has_value());
}

// It is the one that makes room.
TEST_F(ControlQueueTest, TheInterruptThreadDoesNotWait) {
  queue_.Start(&kick_, std::this_thread::get_id());
  for (int i = 0; i < kSize; ++i) QueueNop();
  for (uint32_t id = 100; id < 103; ++id) {
    queue_.Queue(GpuCommand(Type::kCtxDestroy, id), Kick::kNow);
  }
  EXPECT_EQ(counters_.commands.value(), kSize);
  Answer(MustPop());
  Answer(MustPop());
  queue_.Reap();
  EXPECT_EQ(counters_.commands.value(), kSize + 2u);
  for (int i = 0; i < kSize - 2; ++i) Answer(MustPop());
  queue_.Reap();
  for (uint32_t id = 100; id < 103; ++id) {
    Request request = MustPop();
    EXPECT_EQ(request.header.ctx_id, id);
    Answer(std::move(request));
  }
}

TEST_F(ControlQueueTest, AFenceEndsTheEarlierOnesOfItsTimeline) {
  const auto first = QueueFenced(1);
  const auto other = QueueFenced(2);
  const auto last = QueueFenced(1);
  Request first_request = MustPop();
  Request other_request = MustPop();
  Request last_request = MustPop();
  EXPECT_EQ(last_request.header.flags, virtio_gpu::wire::kFlagFence);
  EXPECT_EQ(last_request.header.fence_id, last->seqno());
  Answer(std::move(last_request));
  queue_.Reap();
  EXPECT_TRUE(last->signalled());
  EXPECT_TRUE(first->signalled());
  EXPECT_FALSE(other->signalled());
  Answer(std::move(first_request));
  Answer(std::move(other_request));
  queue_.Reap();
  EXPECT_TRUE(other->signalled());
}

TEST_F(ControlQueueTest, ErrorsAreCountedAndSignal) {
  const auto fence = QueueFenced(1);
  Answer(MustPop(), Type::kErrUnspec);
  queue_.Reap();
  EXPECT_EQ(counters_.error_responses.value(), 1u);
  EXPECT_TRUE(fence->signalled());
}

TEST_F(ControlQueueTest, HandlersSeeZeroesWhereTheDeviceDidNotWrite) {
  class Handler : public ResponseHandler {
   public:
    void OnResponse(std::span<const uint8_t> response) override {
      bytes.assign(response.begin(), response.end());
    }
    std::vector<uint8_t> bytes;
  };
  constexpr uint32_t kRoom = 1000;
  for (int round = 0; round < 2; ++round) {
    auto handler = std::make_shared<Handler>();
    GpuCommand command(Type::kGetCapset);
    command.response_size = kRoom;
    command.handler = handler;
    queue_.Queue(std::move(command), Kick::kLater);
    Request request = MustPop();
    EXPECT_EQ(request.chain.writable_size(), kRoom);
    if (round == 0) {
      const std::vector<uint8_t> junk(kRoom - sizeof(CtrlHeader), 0xff);
      CHECK(request.chain.Write(AsBytes(request.header)).ok());
      CHECK(request.chain.Write(junk).ok());
      device_->Complete(std::move(request.chain));
    } else {
      Answer(std::move(request), Type::kOkCapset);
    }
    queue_.Reap();
    ASSERT_EQ(handler->bytes.size(), kRoom);
    EXPECT_EQ(handler->bytes.back(), round == 0 ? 0xff : 0);
    // Nobody but the test holds it any more.
    EXPECT_EQ(handler.use_count(), 1);
  }
}

TEST_F(ControlQueueTest, IndexesWrap) {
  for (int i = 0; i < 70'000; ++i) {
    const auto fence = QueueFenced(1);
    Answer(MustPop());
    queue_.Reap();
    ASSERT_TRUE(fence->signalled());
  }
}

}  // namespace
}  // namespace nacre::guest_kernel
