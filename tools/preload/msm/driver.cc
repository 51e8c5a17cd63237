#include "tools/preload/driver.h"

#include "tools/preload/msm/msm_gpu.h"

namespace nacre::preload {

// A device of the platform bus, as device trees of Snapdragons have it.
const Driver& ThisDriver() {
  static const auto* const driver = new Driver{
      .device = {.root = "/sys/devices/platform/nacre-adreno",
                 .path = "/sys/devices/platform/nacre-adreno",
                 .files = {{"uevent",
                            "DRIVER=adreno\n"
                            "OF_NAME=gpu\n"
                            "OF_FULLNAME=/soc@0/gpu@3d00000\n"
                            "OF_COMPATIBLE_0=qcom,adreno\n"
                            "OF_COMPATIBLE_N=1\n"
                            "MODALIAS=of:NgpuT(null)Cqcom,adreno\n"}},
                 .links = {{"subsystem", "../../../bus/platform"}}},
      .make_gpu = &MsmGpu::Create};
  return *driver;
}

}  // namespace nacre::preload
