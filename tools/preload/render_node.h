#ifndef NACRE_TOOLS_PRELOAD_RENDER_NODE_H_
#define NACRE_TOOLS_PRELOAD_RENDER_NODE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "tools/preload/gpu.h"
#include "tools/preload/ioctl_table.h"
#include "tools/preload/open_file.h"
#include "tools/preload/syncobj_table.h"

namespace nacre::preload {

// DRM_IOCTL_VERSION's answer.
struct DriverVersion {
  uint32_t major = 0;
  uint32_t minor = 0;
  uint32_t patchlevel = 0;
  const char* name;
  const char* date;
  const char* description;
};

// The render node, opened (a kernel drm_file): the DRM core's ioctls (Linux
// drivers/gpu/drm/drm_ioctl.c), and what those ask of a driver. Threads may
// wait for the GPU in one ioctl while others go on.
class RenderNode : public OpenFile {
 public:
  static constexpr dev_t kDevice = 226 << 8 | 128;

  absl::Status Ioctl(uint32_t request, void* argument) final;
  absl::StatusOr<size_t> Read(void* bytes, size_t size) override;
  bool maps() const final { return true; }

  // --- For the functions that answer ioctls. ---

  SyncobjTable& syncobjs() { return syncobjs_; }

  // --- By the driver; they answer the core's ioctls. ---

  virtual Gpu& gpu() = 0;
  virtual DriverVersion version() const = 0;

  // GEM_CLOSE: EINVAL for what is no handle.
  virtual absl::Status CloseObject(uint32_t handle) = 0;
  // PRIME_HANDLE_TO_FD: the descriptor is close-on-exec. ENOENT.
  struct Exported {
    Fd fd;
    std::shared_ptr<OpenFile> file;
  };
  virtual absl::StatusOr<Exported> ExportObject(uint32_t handle) = 0;
  // PRIME_FD_TO_HANDLE: the handle.
  virtual absl::StatusOr<uint32_t> ImportObject(int fd) = 0;

 protected:
  // `ioctls` must outlive this.
  explicit RenderNode(const IoctlTable& ioctls) : ioctls_(ioctls) {}

 private:
  const IoctlTable& ioctls_;
  SyncobjTable syncobjs_;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_RENDER_NODE_H_
