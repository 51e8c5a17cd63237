#include <fcntl.h>
#include <libdrm/drm.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "tools/preload/ioctl_table.h"
#include "tools/preload/render_node.h"

// The DRM core's ioctls that a render node has (drm_ioctl.c, drm_gem.c,
// drm_prime.c).

namespace nacre::preload {
namespace {

// Copies as much of the text as the program has room for; says how long it is.
void CopyText(const char* text, char* out, __kernel_size_t& size) {
  const size_t length = std::strlen(text);
  if (out != nullptr) std::memcpy(out, text, std::min(length, size));
  size = length;
}

absl::Status Version(RenderNode& node, drm_version& version) {
  const DriverVersion driver = node.version();
  version.version_major = static_cast<int>(driver.major);
  version.version_minor = static_cast<int>(driver.minor);
  version.version_patchlevel = static_cast<int>(driver.patchlevel);
  CopyText(driver.name, version.name, version.name_len);
  CopyText(driver.date, version.date, version.date_len);
  CopyText(driver.description, version.desc, version.desc_len);
  return absl::OkStatus();
}

absl::Status GetCap(RenderNode& /*node*/, drm_get_cap& cap) {
  switch (cap.capability) {
    case DRM_CAP_TIMESTAMP_MONOTONIC:
    case DRM_CAP_SYNCOBJ:
    case DRM_CAP_SYNCOBJ_TIMELINE:
      cap.value = 1;
      return absl::OkStatus();
    case DRM_CAP_PRIME:
      cap.value = DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT;
      return absl::OkStatus();
    default:
      cap.value = 0;
      return ErrnoStatus(EOPNOTSUPP,
                         absl::StrCat("GET_CAP ", cap.capability,
                                      " of a GPU without displays"));
  }
}

// What the primary node alone has (drm_ioctl_permit).
template <typename Argument>
absl::Status NotOnRenderNodes(RenderNode& /*node*/, Argument& /*argument*/) {
  return ErrnoStatus(EACCES, "ioctl of primary nodes");
}

absl::Status GemClose(RenderNode& node, drm_gem_close& argument) {
  return node.CloseObject(argument.handle);
}

absl::Status PrimeHandleToFd(RenderNode& node, drm_prime_handle& argument) {
  if ((argument.flags & ~(DRM_CLOEXEC | DRM_RDWR)) != 0) {
    return ErrnoStatus(EINVAL, "PRIME_HANDLE_TO_FD flags");
  }
  ASSIGN_OR_RETURN(RenderNode::Exported exported,
                   node.ExportObject(argument.handle));
  if ((argument.flags & DRM_CLOEXEC) == 0) fcntl(exported.fd.get(), F_SETFD, 0);
  argument.fd =
      node.gpu().Install(std::move(exported.fd), std::move(exported.file));
  return absl::OkStatus();
}

absl::Status PrimeFdToHandle(RenderNode& node, drm_prime_handle& argument) {
  ASSIGN_OR_RETURN(argument.handle, node.ImportObject(argument.fd));
  return absl::OkStatus();
}

}  // namespace

std::span<const IoctlEntry> CoreIoctls() {
  static constexpr std::array kEntries = {
      Handles<DRM_IOCTL_VERSION, Version>(),
      Handles<DRM_IOCTL_GET_CAP, GetCap>(),
      Handles<DRM_IOCTL_GEM_CLOSE, GemClose>(),
      Handles<DRM_IOCTL_PRIME_HANDLE_TO_FD, PrimeHandleToFd>(),
      Handles<DRM_IOCTL_PRIME_FD_TO_HANDLE, PrimeFdToHandle>(),
      Handles<DRM_IOCTL_GET_UNIQUE, NotOnRenderNodes<drm_unique>>(),
      Handles<DRM_IOCTL_GET_MAGIC, NotOnRenderNodes<drm_auth>>(),
      Handles<DRM_IOCTL_GET_CLIENT, NotOnRenderNodes<drm_client>>(),
      Handles<DRM_IOCTL_SET_VERSION, NotOnRenderNodes<drm_set_version>>(),
      Handles<DRM_IOCTL_SET_CLIENT_CAP, NotOnRenderNodes<drm_set_client_cap>>(),
      Handles<DRM_IOCTL_GEM_FLINK, NotOnRenderNodes<drm_gem_flink>>(),
      Handles<DRM_IOCTL_GEM_OPEN, NotOnRenderNodes<drm_gem_open>>(),
  };
  return kEntries;
}

}  // namespace nacre::preload
