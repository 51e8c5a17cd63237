// What a program does in its steady state must not allocate, and an idle
// context must not cost much: this program counts what is on the heap.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/testing/allocations.h"
#include "devices/virtio_gpu/msm/testing/ccmd_cases.h"
#include "devices/virtio_gpu/msm/testing/device_guest.h"
#include "devices/virtio_gpu/msm/testing/null_drm_device.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

// Of ten rounds, once warm. A busy machine may take the CPU from the device
// within a call for so long that another thread takes the lead, which
// allocates: another ten then. Nullopt where it never does anything else.
std::optional<int64_t> AllocationsOf(
    DeviceGuest& guest, const std::vector<DeviceGuest::Prepared>& requests) {
  const auto& reliefs = guest.stats().reliefs;
  for (int attempt = 0; attempt < 100; ++attempt) {
    for (int warm = 0; warm < 3; ++warm) guest.Run(requests);
    const uint64_t reliefs_before = reliefs.value();
    const int64_t before = Allocations();
    for (int i = 0; i < 10; ++i) guest.Run(requests);
    const int64_t allocations = Allocations() - before;
    if (reliefs.value() == reliefs_before) return allocations;
  }
  return std::nullopt;
}

TEST(CcmdAllocationTest, SteadyStateCommandsDoNotAllocate) {
  NullDrmDevice drm(NullDrmDevice::Fences::kSignalled);
  DeviceGuest guest(drm);
  for (const CcmdCase& c : MakeCcmdCases(guest)) {
    if (!c.steady) continue;
    for (const auto* requests : {&c.alone, &c.batch}) {
      if (requests->empty()) continue;
      const auto allocations = AllocationsOf(guest, *requests);
      ASSERT_TRUE(allocations.has_value()) << c.name;
      EXPECT_EQ(*allocations, 0) << c.name;
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
  const int64_t before = HeapBytes();
  for (uint32_t id = 1; id <= kContexts; ++id) {
    guest.CreateContext(1000 + id);
  }
  EXPECT_LE((HeapBytes() - before) / kContexts, kMaxBytes);
  RecordProperty("bytes_of_a_context",
                 static_cast<int>((HeapBytes() - before) / kContexts));
}

}  // namespace
}  // namespace nacre::msm
