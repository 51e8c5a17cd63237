// What each command costs in time and in heap allocations, from a guest's ring
// to the door of a driver that does nothing and back to the used ring: as
// ccmd_cost.cc, which counts instructions and is the figure to compare. CPU
// time is the device's: the guest's thread sleeps.

#include <cstdint>
#include <string>
#include <vector>

#include "base/testing/allocations.h"
#include "benchmark/benchmark.h"
#include "devices/virtio_gpu/msm/testing/ccmd_cases.h"
#include "devices/virtio_gpu/msm/testing/device_guest.h"
#include "devices/virtio_gpu/msm/testing/null_drm_device.h"

namespace nacre::msm {
namespace {

using Requests = std::vector<DeviceGuest::Prepared>;

void Serve(benchmark::State& state, DeviceGuest& guest, const Requests& unit,
           int ccmds_in_unit) {
  // As many as the ring holds, for one kick.
  const size_t units = DeviceGuest::kQueueSize / unit.size();
  Requests requests;
  for (size_t i = 0; i < units; ++i) {
    requests.insert(requests.end(), unit.begin(), unit.end());
  }
  guest.Run(requests);
  const int64_t before = Allocations();
  for ([[maybe_unused]] auto _ : state) guest.Run(requests);
  const double ccmds = static_cast<double>(state.iterations()) *
                       static_cast<double>(units) * ccmds_in_unit;
  state.counters["allocations"] =
      static_cast<double>(Allocations() - before) / ccmds;
  state.counters["time"] = benchmark::Counter(
      ccmds, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void Register(DeviceGuest& guest, const std::string& name, const Requests& unit,
              int ccmds_in_unit) {
  benchmark::RegisterBenchmark(name.c_str(), [&guest, unit, ccmds_in_unit](
                                                 benchmark::State& state) {
    Serve(state, guest, unit, ccmds_in_unit);
  })->MeasureProcessCPUTime();
}

}  // namespace
}  // namespace nacre::msm

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  nacre::msm::NullDrmDevice drm(nacre::msm::NullDrmDevice::Fences::kSignalled);
  nacre::msm::DeviceGuest guest(drm);
  for (const nacre::msm::CcmdCase& c : nacre::msm::MakeCcmdCases(guest)) {
    nacre::msm::Register(guest, c.name, c.alone, c.commands_alone);
    if (!c.batch.empty()) {
      nacre::msm::Register(guest, c.name + ", of 64", c.batch,
                           nacre::msm::kCcmdBatch);
    }
  }
  benchmark::RunSpecifiedBenchmarks();
}
