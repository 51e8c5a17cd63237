#ifndef NACRE_NACRE_FLAGS_H_
#define NACRE_NACRE_FLAGS_H_

#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "proto/vm_config.pb.h"

namespace nacre {

// What the command line asks for.
struct RunVm {
  VmConfig config;  // The config file with the flags on top, validated.
};
// --probe: tell whether this machine can run a stock guest directly.
struct Probe {};
// --help: text for standard output.
struct ShowHelp {
  std::string text;
};
using Command = std::variant<RunVm, Probe, ShowHelp>;

// Errors: InvalidArgument or NotFound, one line that says what is wrong and
// what would be right.
absl::StatusOr<Command> ParseCommandLine(int argc, const char* const* argv);

}  // namespace nacre

#endif  // NACRE_NACRE_FLAGS_H_
