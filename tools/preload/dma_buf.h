#ifndef NACRE_TOOLS_PRELOAD_DMA_BUF_H_
#define NACRE_TOOLS_PRELOAD_DMA_BUF_H_

#include <cstdint>

#include "absl/status/status.h"
#include "tools/preload/open_file.h"

namespace nacre::preload {

// An exported buffer (Linux drivers/dma-buf/dma-buf.c). The descriptor is the
// buffer's memfd: its size, mappings and duplicates are the kernel's own. Its
// memory is coherent: DMA_BUF_IOCTL_SYNC has nothing to do. ENOTTY for the
// other ioctls, sync_files of implicit fences among them, as before Linux 6.0.
class DmaBuf : public OpenFile {
 public:
  absl::Status Ioctl(uint32_t request, void* argument) final;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_DMA_BUF_H_
