#include <cstddef>
#include <cstdint>

#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/random_guest.h"
#include "glog/logging.h"

// A guest made of the input, in a context over the fake driver, of two versions
// by the input's length: nothing may crash, and nothing may be left when it is
// gone.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nacre::msm::FakeDrmDevice device;
  // From 1.13 on GEM_CLOSE waits for the GPU.
  device.set_version(
      {.major = 1, .minor = size % 2 == 0 ? 12u : 13u, .patchlevel = 0});
  const auto type = *nacre::msm::MsmContextType::Create(device);
  {
    nacre::msm::RandomGuest guest(*type, device,
                                  {.broken_framing = true, .failures = true});
    guest.Run({data, size});
  }
  device.FailNoMore();
  device.FinishAll();
  // What was busy is closed by and by, when others come.
  for (int i = 0; device.files() != 0 && i < 1000; ++i) {
    CHECK(type->CreateContext(1, "next").ok());
  }
  CHECK_EQ(device.files(), 0u);
  CHECK_EQ(device.objects(), 0u);
  CHECK_EQ(type->counters().objects.value(), 0u);
  return 0;
}
