#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio/testing/fake_driver.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/open_fds.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

// Guests that cut requests into odd pieces, send what is none, or break the
// queue: the device answers, counts and goes on.
namespace nacre::virtio_gpu {
namespace {

using wire::Type;

constexpr uint64_t kPage = kLargestPageSize;

Type TypeOf(const std::vector<uint8_t>& response) {
  return static_cast<Type>(
      ByteReader(response).ReadZeroExtended<wire::CtrlHeader>().type);
}

// 2.7.4.1: no request depends on how it is cut into descriptors.
TEST(GpuHostileTest, ARequestMayBeCutAnywhere) {
  GpuDriver g;
  const std::vector<uint8_t> bytes =
      Request(Type::kResourceCreate2d)
          .With(wire::ResourceCreate2d{1, 1, 16, 16})
          .bytes();
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    auto& queue = g.driver().queue(wire::kControlQueue);
    queue.Chain().ReadableCut(bytes, {cut}).Writable(10).Writable(14).Submit();
    g.Kick();
    const auto used = g.driver().WaitUsed(wire::kControlQueue);
    EXPECT_EQ(used.written, 24u);
    EXPECT_EQ(TypeOf(used.response),
              cut == 1 ? Type::kOkNodata : Type::kErrInvalidResourceId);
  }
}

TEST(GpuHostileTest, WritesNoMoreThanThereIsRoomFor) {
  GpuDriver g;
  for (const uint32_t room : {0u, 1u, 23u, 24u, 25u, 407u, 408u, 4096u}) {
    const auto response = g.CallBytes(Request(Type::kGetDisplayInfo), room);
    EXPECT_EQ(response.size(), std::min(room, 408u));
  }
  EXPECT_EQ(g.CallBytes(Request(Type::kGetCapset)
                            .With(wire::GetCapset{FakeGpu::kCapsetId, 0}),
                        26)
                .size(),
            26u);
}

TEST(GpuHostileTest, AnswersRequestsWithoutAWholeHeader) {
  GpuDriver g;
  for (const size_t size : {1u, 4u, 23u}) {
    const std::vector<uint8_t> bytes(size, 1);
    EXPECT_EQ(TypeOf(g.driver().Call(wire::kControlQueue, bytes, 24)),
              Type::kErrUnspec);
  }
  auto& queue = g.driver().queue(wire::kControlQueue);
  queue.Chain().Writable(24).Submit();
  g.Kick();
  EXPECT_EQ(TypeOf(g.driver().WaitUsed(wire::kControlQueue).response),
            Type::kErrUnspec);
}

TEST(GpuHostileTest, ABrokenRingStopsTheDeviceUntilReset) {
  GpuDriver g;
  g.CreateContext(1);
  g.driver().queue(wire::kControlQueue).WriteAvailableIndex(0x8000);
  g.driver().KickAnyway(wire::kControlQueue);
  g.driver().WaitNeedsReset();
  EXPECT_EQ(g.stats().broken_queues.value(), 1u);
  // The other queue is out of service too, and nothing more is said.
  g.driver().KickAnyway(wire::kCursorQueue);
  g.driver().Reset();
  EXPECT_TRUE(g.gpu().contexts().empty());
  ASSERT_TRUE(g.driver().Start().ok());
  g.CreateContext(1);
  EXPECT_EQ(g.stats().broken_queues.value(), 1u);
}

TEST(GpuHostileTest, ABrokenRingAbandonsPendingFences) {
  GpuDriver g;
  g.CreateContext(1);
  g.Start(g.Work(1, 1, 11));
  g.gpu().WaitFences(1);
  g.driver().queue(wire::kControlQueue).WriteAvailableIndex(0x8000);
  g.driver().KickAnyway(wire::kControlQueue);
  g.driver().WaitNeedsReset();
  const uint16_t used = g.driver().queue(wire::kControlQueue).used_index();
  g.gpu().SignalFence(0);
  g.driver().Reset();
  EXPECT_EQ(used, 1u);  // The context's creation.
}

TEST(GpuHostileTest, ManyRandomCommandsLeaveNothingBehind) {
  GpuDriver g;
  const size_t fds = OpenFds();
  std::mt19937 random(3);
  for (int i = 0; i < 20000; ++i) {
    // Small ids and sizes, so that commands find each other's traces.
    const uint32_t base[] = {0x0100, 0x0200};
    const auto type = static_cast<Type>(base[random() % 2] + random() % 15);
    Request request(type);
    request.Context(random() % 4);
    for (int word = 0; word < 18; ++word) {
      const uint32_t choice = random() % 4;
      request.With(choice == 0   ? uint32_t{0}
                   : choice == 1 ? static_cast<uint32_t>(random() % 8)
                   : choice == 2 ? static_cast<uint32_t>(kPage)
                                 : static_cast<uint32_t>(random()));
    }
    g.CallBytes(request, 24);
  }
  EXPECT_FALSE(g.driver().needs_reset());
  g.driver().Reset();
  EXPECT_EQ(g.gpu().live_blobs(), 0);
  EXPECT_TRUE(g.gpu().contexts().empty());
  // The driver's and the session's own are gone, too.
  EXPECT_LE(OpenFds(), fds);
}

}  // namespace
}  // namespace nacre::virtio_gpu
