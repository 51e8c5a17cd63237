// What a program does in its steady state must not allocate, and an idle
// context must not cost much: this program counts what is on the heap.

#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <vector>

#include "devices/virtio_gpu/msm/testing/ccmd_cases.h"
#include "devices/virtio_gpu/msm/testing/device_guest.h"
#include "devices/virtio_gpu/msm/testing/null_drm_device.h"
#include "gtest/gtest.h"

namespace {
std::atomic<int64_t> allocations = 0;
std::atomic<int64_t> live_bytes = 0;
}  // namespace

// Sanitizers' runtimes define these themselves; under them nothing is counted.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define NACRE_SANITIZED
#endif
#endif

#ifndef NACRE_SANITIZED
void* operator new(size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  ++allocations;
  live_bytes += static_cast<int64_t>(malloc_usable_size(memory));
  return memory;
}
void operator delete(void* memory) noexcept {
  if (memory != nullptr) {
    live_bytes -= static_cast<int64_t>(malloc_usable_size(memory));
  }
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept { operator delete(memory); }
#endif

namespace nacre::msm {
namespace {

TEST(CcmdAllocationTest, SteadyStateCommandsDoNotAllocate) {
  NullDrmDevice drm(NullDrmDevice::Fences::kSignalled);
  DeviceGuest guest(drm);
  for (const CcmdCase& c : MakeCcmdCases(guest)) {
    if (!c.steady) continue;
    for (const auto* requests : {&c.alone, &c.batch}) {
      if (requests->empty()) continue;
      for (int warm = 0; warm < 3; ++warm) guest.Run(*requests);
      const int64_t before = allocations;
      for (int i = 0; i < 10; ++i) guest.Run(*requests);
      EXPECT_EQ(allocations, before) << c.name;
    }
  }
}

// Its control memory comes on top, and what the driver has of it.
TEST(CcmdAllocationTest, AnIdleContextIsSmall) {
  constexpr int64_t kMaxBytes = 32 << 10;
  constexpr int kContexts = 64;
  NullDrmDevice drm;
  DeviceGuest guest(drm);
  // The tables have grown.
  for (uint32_t id = 1; id <= kContexts; ++id) guest.CreateContext(id);
  const int64_t before = live_bytes;
  for (uint32_t id = 1; id <= kContexts; ++id) {
    guest.CreateContext(1000 + id);
  }
  EXPECT_LE((live_bytes - before) / kContexts, kMaxBytes);
  RecordProperty("bytes_of_a_context",
                 static_cast<int>((live_bytes - before) / kContexts));
}

}  // namespace
}  // namespace nacre::msm
