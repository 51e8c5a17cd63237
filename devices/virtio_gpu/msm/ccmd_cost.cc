// What each command costs the host, in instructions: a guest's ring in guest
// memory, the production device over it (pop, decode, execute, answer, used
// ring), and a DRM driver that does nothing. To be run under callgrind, by
// tools/instructions.sh:
//
//   valgrind --tool=callgrind --dump-before=nacre_mark ccmd_cost
//
// How it counts: the ring is filled with N units between two commands that, at
// the driver's door, call nacre_mark, where callgrind writes down what was
// executed since the last time; then with 2N units. Half the difference is
// what N units cost once warm, free of the marks' own cost. The guest's thread
// sleeps meanwhile, so that all of it is the device's: from the pop of a
// request to its used-ring entry, also the request's share of the interrupt and
// of whatever else the device does for each batch. System calls' own
// instructions are the kernel's and not counted.
//
// Prints a line for each measurement, "name|alone or batch|commands in N
// units|allocations in N units", in the order of callgrind's dumps, of which
// each line has four: before N units, N units, before 2N units, 2N units. Where
// a busy machine held up a call for so long that another thread took the lead,
// the measurement counts for nothing, and its line is followed by another one
// of the same name and form.

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/testing/allocations.h"
#include "devices/virtio_gpu/msm/testing/ccmd_cases.h"
#include "devices/virtio_gpu/msm/testing/device_guest.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/testing/null_drm_device.h"
#include "devices/virtio_gpu/msm/uapi.h"

extern "C" __attribute__((noinline)) void nacre_mark() { asm volatile(""); }

namespace nacre::msm {
namespace {

constexpr int kAttempts = 20;

std::vector<int64_t> marks;

int64_t AllocationsSinceMark() {
  return marks[marks.size() - 1] - marks[marks.size() - 2];
}

using Requests = std::vector<DeviceGuest::Prepared>;

DeviceGuest::Prepared PrepareMark(DeviceGuest& guest) {
  const drm_msm_param param = {.pipe = MSM_PIPE_3D0,
                               .param = NullDrmDevice::kMarkParam,
                               .value = 0,
                               .len = 0,
                               .pad = 0};
  CcmdStream stream;
  stream.Add(MSM_CCMD_IOCTL_SIMPLE, {DRM_IOCTL_MSM_GET_PARAM}, AsBytes(param));
  return guest.PrepareSubmit(1, stream.bytes());
}

void Measure(DeviceGuest& guest, const std::string& name, const char* form,
             const Requests& unit, int ccmds_in_unit) {
  static const DeviceGuest::Prepared mark = PrepareMark(guest);
  const size_t units = (DeviceGuest::kQueueSize - 2) / 2 / unit.size();
  const auto requests = [&](size_t n) {
    Requests all = {mark};
    for (size_t i = 0; i < n; ++i) {
      all.insert(all.end(), unit.begin(), unit.end());
    }
    all.push_back(mark);
    return all;
  };
  const Requests once = requests(units);
  const Requests twice = requests(2 * units);
  const auto& reliefs = guest.stats().reliefs;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    // Warm.
    guest.Run({twice.data() + 1, twice.size() - 2});
    const uint64_t before = reliefs.value();
    guest.Run(once);
    const int64_t first = AllocationsSinceMark();
    guest.Run(twice);
    std::printf("%s|%s|%zu|%lld\n", name.c_str(), form, units * ccmds_in_unit,
                static_cast<long long>(AllocationsSinceMark() - first));
    if (reliefs.value() == before) return;
  }
}

void Main() {
  marks.reserve(1 << 12);
  NullDrmDevice drm(NullDrmDevice::Fences::kSignalled);
  drm.set_mark([] {
    marks.push_back(Allocations());
    nacre_mark();
  });
  DeviceGuest guest(drm);
  for (const CcmdCase& c : MakeCcmdCases(guest)) {
    Measure(guest, c.name, "alone", c.alone, c.commands_alone);
    if (!c.batch.empty()) Measure(guest, c.name, "batch", c.batch, kCcmdBatch);
  }
}

}  // namespace
}  // namespace nacre::msm

int main() { nacre::msm::Main(); }
