#include "tools/preload/dma_buf.h"

#include <linux/dma-buf.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "absl/strings/str_format.h"
#include "base/errno_status.h"

namespace nacre::preload {

absl::Status DmaBuf::Ioctl(uint32_t request, void* argument) {
  switch (request) {
    case DMA_BUF_IOCTL_SYNC: {
      const uint64_t flags = static_cast<dma_buf_sync*>(argument)->flags;
      if ((flags & ~uint64_t{DMA_BUF_SYNC_VALID_FLAGS_MASK}) != 0 ||
          (flags & DMA_BUF_SYNC_RW) == 0) {
        return ErrnoStatus(EINVAL,
                           absl::StrFormat("DMA_BUF_IOCTL_SYNC %#x", flags));
      }
      return absl::OkStatus();
    }
    case DMA_BUF_SET_NAME_A:
    case DMA_BUF_SET_NAME_B:
      return absl::OkStatus();
    default:
      return ErrnoStatus(ENOTTY,
                         absl::StrFormat("ioctl %#x of a dma-buf", request));
  }
}

}  // namespace nacre::preload
