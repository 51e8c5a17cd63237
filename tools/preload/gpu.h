#ifndef NACRE_TOOLS_PRELOAD_GPU_H_
#define NACRE_TOOLS_PRELOAD_GPU_H_

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "base/fd.h"
#include "simulator/simulated_device.h"
#include "tools/preload/changes.h"
#include "tools/preload/fd_table.h"
#include "tools/preload/sync_file.h"

namespace nacre::preload {

// The process's simulated GPU, and what its open files share. Thread-safe.
class Gpu {
 public:
  // InvalidArgument for an unknown chip. `fds` must outlive this.
  static absl::StatusOr<std::unique_ptr<Gpu>> Create(
      simulator::SimulatorConfig config, FdTable& fds);

  simulator::SimulatedDevice& device() { return *device_; }
  FdTable& fds() { return fds_; }
  Changes& changes() { return changes_; }
  SyncFiles& sync_files() { return sync_files_; }

  // Gives the descriptor to the program, as `file`; returns its number.
  int Install(Fd fd, std::shared_ptr<OpenFile> file);

  // Opens the render node: a new descriptor with (O_CLOEXEC) or without
  // close-on-exec. EMFILE.
  absl::StatusOr<int> OpenRenderNode(bool close_on_exec);

 private:
  explicit Gpu(FdTable& fds);

  FdTable& fds_;
  Changes changes_;
  SyncFiles sync_files_;
  // Ends first: its thread announces changes.
  std::unique_ptr<simulator::SimulatedDevice> device_;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_GPU_H_
