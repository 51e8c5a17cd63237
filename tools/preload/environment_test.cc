#include "tools/preload/environment.h"

#include <map>
#include <string>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace nacre::preload {
namespace {

absl::StatusOr<Environment> Read(
    const std::map<std::string, const char*>& variables) {
  return ReadEnvironment([&](const char* name) {
    const auto entry = variables.find(name);
    return entry != variables.end() ? entry->second : nullptr;
  });
}

TEST(EnvironmentTest, HasDefaults) {
  const Environment environment = Read({}).value();
  EXPECT_EQ(environment.simulator.chip, simulator::SimulatorConfig().chip);
  EXPECT_EQ(environment.simulator.time_model.submission.count(), 0);
  EXPECT_EQ(environment.summary_path, "");
  EXPECT_EQ(Read({{"NACRE_SIM", ""}}).value().simulator.chip,
            environment.simulator.chip);
}

TEST(EnvironmentTest, ReadsWhatIsAskedFor) {
  const Environment environment = Read({{"NACRE_SIM", "a730"},
                                        {"NACRE_SUMMARY", "gpu.json"},
                                        {"NACRE_SUBMISSION_US", "250"},
                                        {"NACRE_MEGABYTES_PER_SECOND", "4000"},
                                        {"NACRE_MEGAPIXELS_PER_SECOND", "90"}})
                                      .value();
  EXPECT_EQ(environment.simulator.chip, "a730");
  EXPECT_EQ(environment.summary_path, "gpu.json");
  EXPECT_EQ(environment.simulator.time_model.submission.count(), 250);
  EXPECT_EQ(environment.simulator.time_model.bytes_per_microsecond, 4000u);
  EXPECT_EQ(environment.simulator.time_model.pixels_per_microsecond, 90u);
}

TEST(EnvironmentTest, NamesTheVariableThatIsNoNumber) {
  for (const char* value : {"-1", "fast", "1.5", "99999999999"}) {
    const auto environment = Read({{"NACRE_SUBMISSION_US", value}});
    EXPECT_EQ(environment.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(absl::StrContains(environment.status().message(),
                                  "NACRE_SUBMISSION_US"));
  }
}

}  // namespace
}  // namespace nacre::preload
