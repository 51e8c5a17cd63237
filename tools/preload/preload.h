#ifndef NACRE_TOOLS_PRELOAD_PRELOAD_H_
#define NACRE_TOOLS_PRELOAD_PRELOAD_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "tools/preload/driver.h"
#include "tools/preload/fd_table.h"
#include "tools/preload/gpu.h"
#include "tools/preload/picture.h"

namespace nacre::preload {

// What the interposed functions share: one for each process. Thread-safe.
class Preload {
 public:
  // Made at the first call, and never destroyed: threads of the program may
  // still call while it ends. The child of a fork has a new one, with no GPU
  // until it opens the render node itself.
  static Preload& Get();

  FdTable& fds() { return fds_; }
  const Picture& picture() const { return picture_; }

  // open(2) of the render node: a descriptor, or -1 with errno. The first makes
  // the GPU; ENODEV, with a line in the log, where the environment is wrong.
  int OpenRenderNode(int flags);

  // close(2) and others that end a descriptor's meaning, before the kernel is
  // called. Nothing in a vfork's child, which has the parent's memory but
  // descriptors of its own.
  FdTable::File Forget(int fd);
  std::vector<FdTable::File> ForgetRange(unsigned first, unsigned last);
  // After dup(2) and the like of `fd` gave `copy`; returns `copy`.
  int Duplicated(int fd, int copy);

  // Writes the summary where the environment asked for it.
  void WriteSummary();

 private:
  Preload();
  absl::Status MakeGpu() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool InThisProcess() const;

  const pid_t pid_;
  const Picture picture_;
  FdTable fds_;
  Mutex mutex_;
  std::unique_ptr<Gpu> gpu_ ABSL_GUARDED_BY(mutex_);
  std::string summary_path_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_PRELOAD_H_
