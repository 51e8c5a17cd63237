#ifndef NACRE_NACRE_JAIL_LANDLOCK_H_
#define NACRE_NACRE_JAIL_LANDLOCK_H_

#include "absl/status/status.h"

namespace nacre::jail {

// Takes from this thread and all that come from it every right that Landlock
// knows (landlock(7)): to open, make or remove any file, to bind or connect TCP
// sockets, to reach abstract sockets and to signal processes outside.
// Descriptors that are open keep what they have. What the kernel does not know
// yet stays, up to all of it; no error. The caller has set no_new_privs.
// Errors: the errno.
absl::Status ForbidFiles();

// The kernel's Landlock ABI: 0 where it has none or it is off.
int LandlockVersion();

}  // namespace nacre::jail

#endif  // NACRE_NACRE_JAIL_LANDLOCK_H_
