#ifndef NACRE_TOOLS_PRELOAD_IOCTL_TABLE_H_
#define NACRE_TOOLS_PRELOAD_IOCTL_TABLE_H_

#include <asm-generic/ioctl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "absl/status/status.h"

namespace nacre::preload {

class RenderNode;

// A DRM ioctl: its request code in the kernel simulated, and the function that
// answers it, which reads and changes the argument in place.
struct IoctlEntry {
  uint32_t request;
  absl::Status (*answer)(RenderNode& node, void* argument);
};

// No argument of DRM is larger.
inline constexpr size_t kMaxIoctlSize = 128;

template <typename Node, typename Argument>
struct IoctlTypes {
  using NodeType = Node;
  using ArgumentType = Argument;
};
template <typename Node, typename Argument>
IoctlTypes<Node, Argument> TypesOf(absl::Status (*)(Node&, Argument&));

// Handles<DRM_IOCTL_VERSION, Version>(), where Version takes a RenderNode& (or
// the driver's kind of one) and a drm_version&.
template <uint32_t kRequest, auto kAnswer>
constexpr IoctlEntry Handles() {
  using Types = decltype(TypesOf(kAnswer));
  using Argument = typename Types::ArgumentType;
  static_assert(sizeof(Argument) ==
                (kRequest >> _IOC_SIZESHIFT & _IOC_SIZEMASK));
  static_assert(sizeof(Argument) <= kMaxIoctlSize);
  return {kRequest, [](RenderNode& node, void* argument) {
            return kAnswer(static_cast<typename Types::NodeType&>(node),
                           *static_cast<Argument*>(argument));
          }};
}

// All ioctls of a driver's render nodes, found by number as drm_ioctl finds
// them. Immutable.
class IoctlTable {
 public:
  // The core's (drm_ioctls.cc, syncobj_ioctls.cc), and the driver's own.
  explicit IoctlTable(
      std::initializer_list<std::span<const IoctlEntry>> driver);

  // Null for a number that no ioctl has.
  const IoctlEntry* Find(uint32_t request) const {
    return entries_[request >> _IOC_NRSHIFT & _IOC_NRMASK];
  }

 private:
  std::array<const IoctlEntry*, _IOC_NRMASK + 1> entries_{};
};

// By subject, each beside its functions.
std::span<const IoctlEntry> CoreIoctls();     // drm_ioctls.cc
std::span<const IoctlEntry> SyncobjIoctls();  // syncobj_ioctls.cc

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_IOCTL_TABLE_H_
