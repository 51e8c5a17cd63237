#ifndef NACRE_NACRE_SUMMARY_H_
#define NACRE_NACRE_SUMMARY_H_

#include <string>

#include "absl/status/status.h"
#include "proto/vm_summary.pb.h"

namespace nacre {

// The summary for a person: lines that begin with "nacre: ".
std::string SummaryText(const VmSummary& summary);

// Writes it as JSON (protobuf's mapping, proto field names, zeroes included).
// Errors: the errno, with the path.
absl::Status WriteSummary(const VmSummary& summary, const std::string& path);

}  // namespace nacre

#endif  // NACRE_NACRE_SUMMARY_H_
