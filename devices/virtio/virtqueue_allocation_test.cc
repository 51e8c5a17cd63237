// A device must not allocate per command: this program counts allocations.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <span>
#include <utility>

#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/virtqueue.h"
#include "gtest/gtest.h"

namespace {
int allocations = 0;
}  // namespace

// TSan's runtime defines these itself; under it nothing is counted.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NACRE_TSAN
#endif
#endif

#ifndef NACRE_TSAN
void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
#endif

namespace nacre::virtio {
namespace {

TEST(VirtqueueAllocationTest, ServesCommandsWithoutAllocatingOnceWarm) {
  GuestRam ram;
  FakeQueue driver(&ram, {.size = 64});
  Virtqueue device = *Virtqueue::Create(&ram.memory(), driver.layout());
  std::array<uint8_t, 600> buffer = {};
  int in_device = 0;
  for (int round = 0; round < 3; ++round) {
    in_device = 0;
    for (int i = 0; i < 20; ++i) {
      FakeQueue::ChainBuilder chain = driver.Chain();
      for (int part = 0; part < 6; ++part) {
        chain.Readable(std::span(buffer).first(100));
      }
      chain.Writable(24).Submit();
    }
    const int before = allocations;
    for (int i = 0; i < 20; ++i) {
      DescriptorChain chain = **device.Pop();
      ASSERT_TRUE(chain.Read(buffer).ok());
      ASSERT_TRUE(chain.Write(std::span(buffer).first(24)).ok());
      ASSERT_TRUE(device.Complete(std::move(chain)).ok());
    }
    device.EnableKicks();
    device.NeedsInterrupt();
    in_device = allocations - before;
    while (driver.PopUsed()) {
    }
  }
  EXPECT_EQ(in_device, 0);
}

}  // namespace
}  // namespace nacre::virtio
