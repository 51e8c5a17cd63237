#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_CCMD_CASES_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_CCMD_CASES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "devices/virtio_gpu/msm/testing/device_guest.h"

namespace nacre::msm {

// The commands whose cost is measured: of each, what one looks like, alone in
// its execbuffer, and as Mesa batches them.
struct CcmdCase {
  std::string name;
  // Virtio requests that make one unit of it: a SUBMIT_3D with one ccmd, or a
  // sequence that leaves things as it found them.
  std::vector<DeviceGuest::Prepared> alone;
  // One SUBMIT_3D with kCcmdBatch of the ccmd; empty where Mesa batches none.
  std::vector<DeviceGuest::Prepared> batch;
  // How many of what `name` says `alone` does.
  int commands_alone = 1;
  // Whether it is what a program does in its steady state, which must not
  // allocate.
  bool steady = true;
};
inline constexpr int kCcmdBatch = 64;

// Contexts 1 to kCaseContexts are made in `guest`, which must be new.
inline constexpr uint32_t kCaseContexts = 64;
std::vector<CcmdCase> MakeCcmdCases(DeviceGuest& guest);

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_CCMD_CASES_H_
