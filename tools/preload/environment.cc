#include "tools/preload/environment.h"

#include <chrono>
#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace nacre::preload {
namespace {

// An empty variable counts as none.
std::string Value(const GetVariable& variable, const char* name) {
  const char* const value = variable(name);
  return value != nullptr ? value : "";
}

absl::StatusOr<uint32_t> Number(const GetVariable& variable, const char* name) {
  const std::string text = Value(variable, name);
  uint32_t number = 0;
  if (!text.empty() && !absl::SimpleAtoi(text, &number)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, "=", text, ": it must be a number of 32 bits"));
  }
  return number;
}

}  // namespace

absl::StatusOr<Environment> ReadEnvironment(const GetVariable& variable) {
  Environment environment;
  environment.summary_path = Value(variable, "NACRE_SUMMARY");
  simulator::SimulatorConfig& config = environment.simulator;
  const std::string chip = Value(variable, "NACRE_SIM");
  if (!chip.empty()) config.chip = chip;
  ASSIGN_OR_RETURN(const uint32_t microseconds,
                   Number(variable, "NACRE_SUBMISSION_US"));
  config.time_model.submission = std::chrono::microseconds(microseconds);
  ASSIGN_OR_RETURN(config.time_model.bytes_per_microsecond,
                   Number(variable, "NACRE_MEGABYTES_PER_SECOND"));
  ASSIGN_OR_RETURN(config.time_model.pixels_per_microsecond,
                   Number(variable, "NACRE_MEGAPIXELS_PER_SECOND"));
  return environment;
}

}  // namespace nacre::preload
