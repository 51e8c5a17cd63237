#ifndef NACRE_TOOLS_PRELOAD_ENVIRONMENT_H_
#define NACRE_TOOLS_PRELOAD_ENVIRONMENT_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "simulator/simulated_device.h"

namespace nacre::preload {

// What the environment asks for; README.md lists the variables.
struct Environment {
  simulator::SimulatorConfig simulator;
  std::string summary_path;  // Empty: no summary.
};

// getenv(3): null for a variable that is not set.
using GetVariable = std::function<const char*(const char* name)>;

// InvalidArgument, naming the variable, for what is no number.
absl::StatusOr<Environment> ReadEnvironment(const GetVariable& variable);

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_ENVIRONMENT_H_
