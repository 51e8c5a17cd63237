#ifndef NACRE_TOOLS_PRELOAD_IOCTL_TABLE_H_
#define NACRE_TOOLS_PRELOAD_IOCTL_TABLE_H_

#include <asm-generic/ioctl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "absl/status/status.h"

namespace nacre::preload {

class RenderNode;

// A DRM ioctl: its request code in the kernel simulated, and the function that
// answers it, which reads and changes the argument in place.
struct IoctlEntry {
  uint32_t request;
  absl::Status (*answer)(RenderNode& node, void* argument);

  uint32_t size() const { return request >> _IOC_SIZESHIFT & _IOC_SIZEMASK; }
};

// No argument of DRM is larger.
inline constexpr size_t kMaxIoctlSize = 128;

template <typename T>
T ArgumentType(absl::Status (*)(RenderNode&, T&));

// Handles<DRM_IOCTL_VERSION, Version>(), where Version takes a drm_version&.
template <uint32_t kRequest, auto kAnswer>
constexpr IoctlEntry Handles() {
  using Argument = decltype(ArgumentType(kAnswer));
  static_assert(sizeof(Argument) ==
                (kRequest >> _IOC_SIZESHIFT & _IOC_SIZEMASK));
  static_assert(sizeof(Argument) <= kMaxIoctlSize);
  return {kRequest, [](RenderNode& node, void* argument) {
            return kAnswer(node, *static_cast<Argument*>(argument));
          }};
}

// By subject, each beside its functions.
std::span<const IoctlEntry> CoreIoctls();     // drm_ioctls.cc
std::span<const IoctlEntry> SyncobjIoctls();  // syncobj_ioctls.cc
std::span<const IoctlEntry> MsmIoctls();      // msm_ioctls.cc
std::span<const IoctlEntry> SubmitIoctls();   // submit_ioctls.cc

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_IOCTL_TABLE_H_
