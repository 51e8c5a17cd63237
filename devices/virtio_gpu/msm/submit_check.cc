#include "devices/virtio_gpu/msm/submit_check.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/checked.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {
namespace {

// MSM_SUBMIT_BO_NO_IMPLICIT exists from here on.
constexpr uint32_t kMinorWithBoNoImplicit = 10;

absl::Status Refuse(absl::string_view what, uint32_t value) {
  return ErrnoStatus(EINVAL, absl::StrCat("GEM_SUBMIT ", what, " ", value));
}

absl::Status CheckBos(const SubmitRequest& request, uint32_t version_minor) {
  std::vector<uint32_t> handles;
  handles.reserve(request.bos.size());
  for (const drm_msm_gem_submit_bo& bo : request.bos) {
    const bool is_known = (bo.flags & MSM_SUBMIT_BO_NO_IMPLICIT) == 0 ||
                          version_minor >= kMinorWithBoNoImplicit;
    if (!is_known ||
        (bo.flags & (MSM_SUBMIT_BO_READ | MSM_SUBMIT_BO_WRITE)) == 0) {
      return Refuse("of a buffer with flags", bo.flags);
    }
    handles.push_back(bo.handle);
  }
  std::sort(handles.begin(), handles.end());
  const auto twice = std::adjacent_find(handles.begin(), handles.end());
  if (twice != handles.end()) return Refuse("lists twice the object", *twice);
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSubmit(const GemSubmitCcmd& submit,
                         const SubmitRequest& request,
                         const ObjectTable& objects, uint32_t version_minor) {
  RETURN_IF_ERROR(CheckBos(request, version_minor));
  for (const drm_msm_gem_submit_cmd& cmd : request.cmds) {
    if (cmd.type != MSM_SUBMIT_CMD_BUF &&
        cmd.type != MSM_SUBMIT_CMD_IB_TARGET_BUF &&
        cmd.type != MSM_SUBMIT_CMD_CTX_RESTORE_BUF) {
      return Refuse("of a command of type", cmd.type);
    }
    if (cmd.submit_idx >= request.bos.size()) {
      return Refuse("of a command in buffer", cmd.submit_idx);
    }
    uint32_t resource_id;
    std::memcpy(&resource_id,
                submit.bos.data() +
                    cmd.submit_idx * sizeof(drm_msm_gem_submit_bo) +
                    offsetof(drm_msm_gem_submit_bo, handle),
                sizeof(resource_id));
    ASSIGN_OR_RETURN(const GemObject* const object, objects.Find(resource_id));
    // The kernel counts in words, the offset rounded down.
    if (cmd.size == 0 || cmd.size % 4 != 0 ||
        !RangeFits(cmd.submit_offset / 4 * 4, cmd.size, object->size())) {
      return Refuse("of a command of this many bytes:", cmd.size);
    }
  }
  return absl::OkStatus();
}

}  // namespace nacre::msm
