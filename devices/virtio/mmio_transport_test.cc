#include "devices/virtio/mmio_transport.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/event_fd.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/pci/testing/fake_hypervisor.h"

namespace nacre::virtio {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kRegionAddress = 0x40'0000'0000;
constexpr uint64_t kRegionBytes = uint64_t{2} << 20;
constexpr std::array<uint8_t, 4> kRequest = {1, 2, 3, 4};

class CountingIrq : public vmm::IrqLine {
 public:
  void Trigger() override { event_.Signal(); }
  uint64_t Take() { return event_.Clear(); }

 private:
  EventFd event_ = *EventFd::Create();
};

class MmioTransportTest : public ::testing::Test {
 protected:
  MmioTransportTest()
      : transport_(*MmioTransport::Create(&device_, {&kRegionAddress, 1},
                                          {.memory = &ram_.memory(),
                                           .memory_windows = &windows_,
                                           .irq = &irq_})) {}

  uint32_t Read(uint64_t offset) {
    uint32_t value = 0;
    transport_->Read(offset, AsWritableBytes(value));
    return value;
  }
  void Write(uint64_t offset, uint64_t value) {
    transport_->Write(offset, AsBytes(static_cast<uint32_t>(value)));
  }
  // As Linux's virtio_mmio.
  void Start() {
    Write(0x070, 0);
    EXPECT_EQ(Read(0x070), 0u);
    Write(0x070, kStatusAcknowledge | kStatusDriver);
    Write(0x024, 1);
    Write(0x020, kFeatureVersion1 >> 32);
    Write(0x024, 0);
    Write(0x020, 0);
    const uint8_t ready =
        kStatusAcknowledge | kStatusDriver | kStatusFeaturesOk;
    Write(0x070, ready);
    EXPECT_EQ(Read(0x070), ready);
    Write(0x030, 0);
    queue_.emplace(
        &ram_, FakeQueue::Options{.size = static_cast<uint16_t>(Read(0x034)),
                                  .event_index = false,
                                  .indirect = false});
    const QueueLayout& layout = queue_->layout();
    Write(0x038, layout.size);
    Write(0x080, layout.descriptor_table);
    Write(0x084, layout.descriptor_table >> 32);
    Write(0x090, layout.available_ring);
    Write(0x094, layout.available_ring >> 32);
    Write(0x0a0, layout.used_ring);
    Write(0x0a4, layout.used_ring >> 32);
    Write(0x044, 1);
    EXPECT_EQ(Read(0x044), 1u);
    Write(0x070, ready | kStatusDriverOk);
  }
  std::vector<uint8_t> Call() {
    queue_->Chain().Readable(kRequest).Writable(4).Submit();
    Write(0x050, 0);
    while (irq_.Take() == 0) {
    }
    EXPECT_EQ(Read(0x060), 1u);
    Write(0x064, 1);
    EXPECT_EQ(Read(0x060), 0u);
    return queue_->PopUsed()->response;
  }

  std::vector<uint8_t> region_ = std::vector<uint8_t>(kRegionBytes);
  EchoDevice device_{region_};
  GuestRam ram_;
  vmm::FakeMemoryWindows windows_;
  CountingIrq irq_;
  std::unique_ptr<MmioTransport> transport_;
  std::optional<FakeQueue> queue_;
};

TEST_F(MmioTransportTest, SaysWhatItIs) {
  EXPECT_EQ(Read(0x000), 0x74726976u);
  EXPECT_EQ(Read(0x004), 2u);
  EXPECT_EQ(Read(0x008), EchoDevice::kDeviceId);
}

TEST_F(MmioTransportTest, ServesADriver) {
  Start();
  for (int i = 0; i < 50; ++i) {
    ASSERT_THAT(Call(), ElementsAre(1, 2, 3, 4));
  }
}

TEST_F(MmioTransportTest, StartsAgainAfterAReset) {
  Start();
  Call();
  Write(0x070, 0);
  // What Linux warns about when it deletes a queue.
  EXPECT_EQ(Read(0x044), 0u);
  Start();
  EXPECT_THAT(Call(), ElementsAre(1, 2, 3, 4));
}

TEST_F(MmioTransportTest, QueuesThatAreNotThereHaveNoSize) {
  Write(0x030, 2);
  EXPECT_EQ(Read(0x034), 0u);
}

TEST_F(MmioTransportTest, ConfigChangesInterrupt) {
  Start();
  const uint32_t generation = Read(0x0fc);
  device_.ChangeConfig(0x5a);
  EXPECT_NE(irq_.Take(), 0u);
  EXPECT_EQ(Read(0x060), 2u);
  EXPECT_NE(Read(0x0fc), generation);
  uint8_t byte = 0;
  transport_->Read(0x100, AsWritableBytes(byte));
  EXPECT_EQ(byte, 0x5a);
}

TEST_F(MmioTransportTest, SaysWhereSharedMemoryIs) {
  Write(0x0ac, EchoDevice::kRegionId);
  EXPECT_EQ(Read(0x0b0), static_cast<uint32_t>(kRegionBytes));
  EXPECT_EQ(Read(0x0b4), kRegionBytes >> 32);
  EXPECT_EQ(Read(0x0b8), static_cast<uint32_t>(kRegionAddress));
  EXPECT_EQ(Read(0x0bc), kRegionAddress >> 32);
  ASSERT_EQ(windows_.windows().count(kRegionAddress), 1u);
  transport_.reset();
  EXPECT_THAT(windows_.windows(), IsEmpty());
}

TEST_F(MmioTransportTest, GoesThoughTheHostKeepsItsWindow) {
  windows_.set_fail(true);
  transport_.reset();
  EXPECT_EQ(windows_.windows().size(), 1u);
}

// 4.2.2.1: a length of -1 where there is no region.
TEST_F(MmioTransportTest, RegionsThatAreNotThereAreAllOnes) {
  for (const uint32_t id : {0u, 2u, 0x101u, 0xffffffffu}) {
    Write(0x0ac, id);
    EXPECT_EQ(Read(0x0b0), 0xffffffffu);
    EXPECT_EQ(Read(0x0b4), 0xffffffffu);
    EXPECT_EQ(Read(0x0b8), 0xffffffffu);
  }
}

TEST_F(MmioTransportTest, WantsAnAddressForEachRegion) {
  EXPECT_EQ(
      MmioTransport::Create(
          &device_, {},
          {.memory = &ram_.memory(), .memory_windows = &windows_, .irq = &irq_})
          .status()
          .code(),
      absl::StatusCode::kInvalidArgument);
}

// Hostile: every offset and size.
TEST_F(MmioTransportTest, AnswersAnyAccess) {
  for (const uint8_t fill : {0xff, 0x00, 0x0f}) {
    Start();
    for (uint64_t offset = 0; offset < MmioTransport::kSize; ++offset) {
      for (const size_t size : {1, 2, 4, 8}) {
        std::vector<uint8_t> data(size, fill);
        transport_->Write(offset, data);
        transport_->Read(offset, data);
      }
    }
  }
  irq_.Take();
  Start();
  EXPECT_THAT(Call(), ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace nacre::virtio
