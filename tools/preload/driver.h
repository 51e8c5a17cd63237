#ifndef NACRE_TOOLS_PRELOAD_DRIVER_H_
#define NACRE_TOOLS_PRELOAD_DRIVER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "simulator/simulated_device.h"
#include "tools/preload/fd_table.h"
#include "tools/preload/gpu.h"
#include "tools/preload/picture.h"

namespace nacre::preload {

// A kernel driver, as the interposed functions need to know it.
struct Driver {
  SysfsDevice device;
  // `fds` outlives the GPU. InvalidArgument for an unknown chip.
  absl::StatusOr<std::unique_ptr<Gpu>> (*make_gpu)(
      const simulator::SimulatorConfig& config, FdTable& fds);
};

// The one that the library is of: each library links one definition
// (msm/driver.cc or virtgpu/driver.cc).
const Driver& ThisDriver();

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_DRIVER_H_
