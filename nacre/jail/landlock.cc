#include "nacre/jail/landlock.h"

#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/errno_status.h"
#include "base/fd.h"

namespace nacre::jail {
namespace {

// struct landlock_ruleset_attr as of ABI 6; our kernel headers know ABI 2.
struct RulesetAttributes {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;
  uint64_t scoped;
};

// By ABI version, from 1: how many rights of each kind there are, of which each
// is a bit from 0 on, and how much of the structure the kernel takes.
struct Abi {
  int fs;
  int net;
  int scopes;
  size_t size;
};
constexpr size_t kFsOnly = offsetof(RulesetAttributes, handled_access_net);
constexpr size_t kFsAndNet = offsetof(RulesetAttributes, scoped);
constexpr Abi kAbis[] = {
    {13, 0, 0, kFsOnly},                    // Linux 5.13
    {14, 0, 0, kFsOnly},                    // 5.19: REFER
    {15, 0, 0, kFsOnly},                    // 6.2: TRUNCATE
    {15, 2, 0, kFsAndNet},                  // 6.7: TCP
    {16, 2, 0, kFsAndNet},                  // 6.10: IOCTL_DEV
    {16, 2, 2, sizeof(RulesetAttributes)},  // 6.12: scopes
};

constexpr uint64_t AllOf(int rights) { return (uint64_t{1} << rights) - 1; }
static_assert(AllOf(14) - AllOf(13) == LANDLOCK_ACCESS_FS_REFER);

}  // namespace

int LandlockVersion() {
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0,
                               LANDLOCK_CREATE_RULESET_VERSION);
  return std::max(static_cast<int>(version), 0);
}

absl::Status ForbidFiles() {
  const int version = LandlockVersion();
  if (version == 0) return absl::OkStatus();
  const Abi& abi =
      kAbis[std::min<size_t>(static_cast<size_t>(version), std::size(kAbis)) -
            1];
  const RulesetAttributes attributes = {.handled_access_fs = AllOf(abi.fs),
                                        .handled_access_net = AllOf(abi.net),
                                        .scoped = AllOf(abi.scopes)};
  const Fd ruleset(static_cast<int>(
      syscall(SYS_landlock_create_ruleset, &attributes, abi.size, 0)));
  if (!ruleset.valid()) return ErrnoStatus("landlock_create_ruleset");
  // No rule: nothing is allowed.
  if (syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) {
    return ErrnoStatus("landlock_restrict_self");
  }
  return absl::OkStatus();
}

}  // namespace nacre::jail
