#ifndef NACRE_VMM_COMMAND_LINE_H_
#define NACRE_VMM_COMMAND_LINE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"

namespace nacre::vmm {

// Whether a kernel that takes `limit` characters, without the terminating NUL,
// takes `command_line`. Errors: InvalidArgument.
absl::Status CheckCommandLine(const std::string& command_line, size_t limit);

}  // namespace nacre::vmm

#endif  // NACRE_VMM_COMMAND_LINE_H_
