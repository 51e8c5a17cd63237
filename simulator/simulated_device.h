#ifndef NACRE_SIMULATOR_SIMULATED_DEVICE_H_
#define NACRE_SIMULATOR_SIMULATED_DEVICE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "simulator/chips.h"
#include "simulator/gpu_clock.h"
#include "simulator/simulated_file.h"
#include "simulator/stats.h"

namespace nacre::simulator {

struct SimulatorConfig {
  std::string chip = "a660";  // See FindChip.

  // How long the GPU may wait for a memory location (WAIT_REG_MEM and such), or
  // by `time_model` take for one submission, before the submission counts as
  // hung. The kernel's hangcheck period is 500 ms; every other submission of
  // the device waits meanwhile.
  std::chrono::milliseconds hang_timeout{500};

  // What the driver takes to reset the GPU after any hang, also after one that
  // hardware notices at once, like an illegal packet; the submission's fence
  // signals afterwards. Real ones take tens of milliseconds.
  std::chrono::milliseconds reset_time{20};

  // By default the GPU is as fast as the simulation. With a model, submissions
  // end (their fences signal, their timestamps are taken) no earlier than it
  // says, without using the CPU meanwhile. Memory that a submission writes may
  // be seen earlier; what tells that it has been written may not.
  TimeModel time_model = {};

  // The work that one submission may be before it counts as hung: dwords that
  // are fetched and moved, and what the engines touch, in units that take the
  // simulation no longer. Ends a stream that loops, after a second or two.
  // A usual frame takes less than a million units; to resolve 4096 x 4096
  // pixels of 4 samples takes 67 million.
  uint64_t work_limit = uint64_t{1} << 27;

  // Bytes of GEM objects alive at once, over all files; GEM_NEW answers ENOMEM
  // beyond. Stops a client that would take all of the host's memory. Below an
  // msm::Limits::max_object_bytes it is the one that is met.
  uint64_t memory_limit = uint64_t{8} << 30;

  // Bytes that submissions which wait for the GPU take of the host's memory,
  // roughly, over all files, with what they depend on; GEM_SUBMIT answers
  // ENOMEM beyond. Stops a client that submits behind a submission that waits.
  // The same of max_unfinished_bytes, which counts more for each submission,
  // but not what it depends on.
  uint64_t queue_limit = uint64_t{1} << 30;

  // PAGE_SIZE of the kernel that the simulated driver would be in. The host's
  // or, for tests, a larger power of two.
  uint64_t page_size = HostPageSize();

  // Called after each submission, when its fence has signalled: on the GPU
  // thread, without locks held.
  std::function<void()> on_retired = {};
};

// The msm kernel driver (as in Linux 6.12, UAPI 1.12.0) and an Adreno below it,
// in this process and without hardware.
//
// Buffers are sealed memfds: GemMemory and dma-buf descriptors are descriptors
// of those, at offset 0, so each live buffer takes one of the process's
// descriptors (raise RLIMIT_NOFILE accordingly) and lives on as memory for as
// long as anybody has it open or mapped. An import takes any memfd that is
// sealed against shrinking, the way a driver takes a foreign dma-buf.
//
// One thread is the GPU. It runs one submission at a time, so any two are
// ordered; which comes next is the drm scheduler's rule: strictly FIFO per
// (file, priority); a submission whose implicit fences are not signalled lets
// others pass; else the lower prio number, else the older submission, goes
// first. A fence is signalled after every memory write of its submission, and
// after its buffers are let go.
//
// Executed are command streams (CommandProcessor), the 2D engine's blits and
// what the blit event does with tiles. Draws and dispatches are counted and
// leave memory as it was.
//
// Trusts nobody: handles, addresses, flags and command streams may be anything.
// Thread-safe as DrmDevice demands. Destruction ends the running submission,
// drops the queued ones (their fences signal) and joins the thread.
class SimulatedDevice final : public msm::DrmDevice {
 public:
  // InvalidArgument for an unknown chip, such a page size, or a time_model that
  // makes every submission hang; ResourceExhausted where the host gives no
  // thread; of mmap.
  static absl::StatusOr<std::unique_ptr<SimulatedDevice>> Create(
      const SimulatorConfig& config);

  SimulatedDevice(const SimulatedDevice&) = delete;
  SimulatedDevice& operator=(const SimulatedDevice&) = delete;
  ~SimulatedDevice() override;

  msm::DriverVersion version() const override;
  uint64_t page_size() const override;
  // Always kCached: the GPU is this process, which has memfds mapped cached,
  // and so is the memory of a WC object.
  msm::CpuCaching CachingOf(uint32_t flags) const override;
  absl::StatusOr<std::unique_ptr<msm::DrmFile>> Open() override;
  // The same, for what DrmFile leaves out.
  std::unique_ptr<SimulatedFile> OpenFile();

  const Chip& chip() const;
  // From any thread.
  SimulatorStats stats() const;

 private:
  class Impl;
  explicit SimulatedDevice(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_SIMULATED_DEVICE_H_
