#ifndef NACRE_TOOLS_PRELOAD_GPU_H_
#define NACRE_TOOLS_PRELOAD_GPU_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/fd.h"
#include "tools/preload/changes.h"
#include "tools/preload/fd_table.h"
#include "tools/preload/sync_file.h"

namespace nacre::preload {

class RenderNode;

// The process's GPU with its driver (a kernel drm_device), and what its open
// files share. Thread-safe.
class Gpu {
 public:
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;
  virtual ~Gpu() = default;

  FdTable& fds() { return fds_; }
  Changes& changes() { return changes_; }
  SyncFiles& sync_files() { return sync_files_; }

  // Gives the descriptor to the program, as `file`; returns its number.
  int Install(Fd fd, std::shared_ptr<OpenFile> file);

  // Opens the render node: a new descriptor with (O_CLOEXEC) or without
  // close-on-exec. EMFILE.
  absl::StatusOr<int> OpenRenderNode(bool close_on_exec);

  // What the program's GPU did until now, as JSON.
  virtual std::string SummaryJson() const = 0;

 protected:
  // `fds` must outlive this.
  explicit Gpu(FdTable& fds);

  // To be called, without locks held, after fences signalled.
  void OnFencesSignalled();

  // `event` is readable while the node has events to read; the descriptor is
  // another of it.
  virtual absl::StatusOr<std::shared_ptr<RenderNode>> NewNode(
      EventFd event) = 0;

 private:
  FdTable& fds_;
  Changes changes_;
  SyncFiles sync_files_;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_GPU_H_
