#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/page_size.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "devices/virtio_gpu/msm/limits.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/random_guest.h"
#include "devices/virtio_gpu/msm/unfinished_work.h"
#include "glog/logging.h"

// A guest made of the input, in a context over the fake driver: nothing may
// crash, no limit be exceeded, and nothing be left when it is gone. By the
// input's length the driver is of two versions. Its last byte says, by two bits
// each, what the host is like.

namespace nacre::msm {
namespace {

bool IsChosen(uint8_t choices, int which) {
  return (choices >> (2 * which) & 3) == 3;
}

// Which a guest of a few commands meets.
Limits SmallLimits() {
  return {.max_files = 3,
          .max_object_bytes = 12 * kLargestPageSize,
          .max_objects = 10,
          .max_context_object_bytes = 8 * kLargestPageSize,
          .max_submitqueues = 2,
          .max_unfinished_bytes = 2 * UnfinishedWork::kAdvance,
          .max_context_unfinished_bytes =
              UnfinishedWork::kAdvance + UnfinishedWork::kAdvance / 32,
          .max_control_memories = 2};
}

void CheckLimits(const Counters& counters, const Limits& limits) {
  CHECK_LE(counters.files.value(), limits.max_files);
  CHECK_LE(counters.objects.value(), limits.max_objects);
  // A kept import counts beside the object that it is of.
  CHECK_LE(counters.object_bytes.value(),
           counters.objects_imported.value() == 0
               ? limits.max_object_bytes
               : limits.max_files * limits.max_object_bytes);
  CHECK_LE(counters.submitqueues.value(),
           limits.max_files * limits.max_submitqueues);
  CHECK_LE(counters.unfinished_bytes.value(), limits.max_unfinished_bytes);
  CHECK_LE(counters.control_memories.value(), limits.max_control_memories);
}

void CheckNothingLeft(const FakeDrmDevice& device, const Counters& counters) {
  CHECK_EQ(device.files(), 0u);
  CHECK_EQ(device.objects(), 0u);
  CHECK_EQ(counters.contexts.value(), 0u);
  CHECK_EQ(counters.files.value(), 0u);
  CHECK_EQ(counters.objects.value(), 0u);
  CHECK_EQ(counters.object_bytes.value(), 0u);
  CHECK_EQ(counters.submitqueues.value(), 0u);
  CHECK_EQ(counters.unfinished_bytes.value(), 0u);
  CHECK_EQ(counters.control_memories.value(), 0u);
}

void Fuzz(std::span<const uint8_t> data) {
  FakeDrmDevice device;
  // From 1.13 on GEM_CLOSE waits for the GPU.
  device.set_version(
      {.major = 1, .minor = data.size() % 2 == 0 ? 12u : 13u, .patchlevel = 0});
  const uint8_t choices = data.empty() ? 0 : data.back();
  if (!data.empty()) data = data.first(data.size() - 1);
  MsmConfig config;
  if (IsChosen(choices, 0)) config.limits = SmallLimits();
  config.guests_always_cached = IsChosen(choices, 1);
  const bool is_coherent = !IsChosen(choices, 2);
  device.set_cached_coherent(is_coherent);
  const bool is_program = IsChosen(choices, 3);
  if (is_program) device.set_always_cached();

  const auto type = MsmContextType::Create(device, config);
  CHECK_EQ(type.ok(),
           !config.guests_always_cached || is_coherent || is_program);
  if (!type.ok()) return;
  CHECK_EQ((*type)->gpu().version_minor, device.version().minor);
  const Counters& counters = (*type)->counters();
  {
    RandomGuest guest(**type, device,
                      {.broken_framing = true, .failures = true});
    guest.Run(data);
    CheckLimits(counters, config.limits);
  }
  device.FailNoMore();
  device.FinishAll();
  // What was busy is closed by and by, when others come, of which a limit may
  // refuse some before.
  for (int i = 0; device.files() != 0 && i < 1000; ++i) {
    (*type)->CreateContext(1, "next").status().IgnoreError();
  }
  CHECK((*type)->CreateContext(1, "last").ok());
  (*type)->ReleaseIdle();
  CheckNothingLeft(device, counters);
}

}  // namespace
}  // namespace nacre::msm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nacre::msm::Fuzz({data, size});
  return 0;
}
