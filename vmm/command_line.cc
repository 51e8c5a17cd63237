#include "vmm/command_line.h"

#include "absl/strings/str_format.h"

namespace nacre::vmm {

absl::Status CheckCommandLine(const std::string& command_line, size_t limit) {
  if (command_line.size() > limit) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the kernel command line has %d characters: this kernel takes %d",
        command_line.size(), limit));
  }
  if (command_line.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        "the kernel command line contains a NUL character");
  }
  return absl::OkStatus();
}

}  // namespace nacre::vmm
