// A device must not allocate per command: this program counts allocations.

#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "base/testing/allocations.h"
#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/virtqueue.h"
#include "gtest/gtest.h"

namespace nacre::virtio {
namespace {

TEST(VirtqueueAllocationTest, ServesCommandsWithoutAllocatingOnceWarm) {
  GuestRam ram;
  FakeQueue driver(&ram, {.size = 64});
  Virtqueue device = *Virtqueue::Create(&ram.memory(), driver.layout());
  std::array<uint8_t, 600> buffer = {};
  int64_t in_device = 0;
  for (int round = 0; round < 3; ++round) {
    in_device = 0;
    for (int i = 0; i < 20; ++i) {
      FakeQueue::ChainBuilder chain = driver.Chain();
      for (int part = 0; part < 6; ++part) {
        chain.Readable(std::span(buffer).first(100));
      }
      chain.Writable(24).Submit();
    }
    const int64_t before = Allocations();
    for (int i = 0; i < 20; ++i) {
      DescriptorChain chain = **device.Pop();
      ASSERT_TRUE(chain.Read(buffer).ok());
      ASSERT_TRUE(chain.Write(std::span(buffer).first(24)).ok());
      device.Complete(std::move(chain));
    }
    device.EnableKicks();
    device.NeedsInterrupt();
    in_device = Allocations() - before;
    while (driver.PopUsed()) {
    }
  }
  EXPECT_EQ(in_device, 0);
}

}  // namespace
}  // namespace nacre::virtio
