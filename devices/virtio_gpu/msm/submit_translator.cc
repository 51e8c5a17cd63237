#include "devices/virtio_gpu/msm/submit_translator.h"

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace nacre::msm::submit_internal {

void GrowBos(Buffers& buffers, size_t count) { buffers.bos.resize(count); }
void GrowCmds(Buffers& buffers, size_t count) { buffers.cmds.resize(count); }

absl::Status Refuse(int error, absl::string_view what, uint32_t value) {
  return ErrnoStatus(error, absl::StrCat("GEM_SUBMIT ", what, " ", value));
}

}  // namespace nacre::msm::submit_internal
