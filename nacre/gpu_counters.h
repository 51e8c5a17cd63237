#ifndef NACRE_NACRE_GPU_COUNTERS_H_
#define NACRE_NACRE_GPU_COUNTERS_H_

#include "devices/virtio_gpu/msm/counters.h"
#include "devices/virtio_gpu/stats.h"
#include "proto/vm_summary.pb.h"
#include "simulator/stats.h"

namespace nacre {

// Each layer counts for itself; these put its numbers, with their names, into
// the summary.
void AddDeviceCounters(const virtio_gpu::Stats& stats, GpuSummary& summary);
void AddMsmCounters(const msm::Counters& counters, GpuSummary& summary);
void AddSimulatorCounters(const simulator::SimulatorStats& stats,
                          SimulatorSummary& summary);

}  // namespace nacre

#endif  // NACRE_NACRE_GPU_COUNTERS_H_
