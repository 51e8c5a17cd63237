#ifndef NACRE_NACRE_CONFIG_H_
#define NACRE_NACRE_CONFIG_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "proto/vm_config.pb.h"

namespace nacre {

// Reads a VmConfig in text format. Errors: the errno, or InvalidArgument with
// line and column of what is wrong.
absl::StatusOr<VmConfig> LoadConfig(const std::string& path);
// As LoadConfig, from the text itself; `name` stands for it in messages.
absl::StatusOr<VmConfig> ParseConfig(const std::string& text,
                                     const std::string& name);

// As ParseConfig, of a part of a config: what the text does not name stays.
absl::Status MergeText(const std::string& text, const std::string& name,
                       google::protobuf::Message& message);

// Checks what can be checked before anything is opened: every error is one
// line that says which field, what it is and what it may be. What only the
// architecture or the host knows (does this RAM leave room for devices? is
// that file a kernel?) is checked by whoever uses the value, likewise.
absl::Status ValidateConfig(const VmConfig& config);

}  // namespace nacre

#endif  // NACRE_NACRE_CONFIG_H_
