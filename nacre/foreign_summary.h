#ifndef NACRE_NACRE_FOREIGN_SUMMARY_H_
#define NACRE_NACRE_FOREIGN_SUMMARY_H_

#include <string>

#include "proto/vm_summary.pb.h"

namespace nacre {

// What a GPU's process says that it has done, which is not trusted: of no more
// use than to be shown. Empty where it does not parse, or where names of
// counters are no short text in one line. Without what is not for that process
// to say, the device's name and why it failed, and without fields that
// GpuSummary does not have.
GpuSummary ParseForeignSummary(const std::string& bytes);

}  // namespace nacre

#endif  // NACRE_NACRE_FOREIGN_SUMMARY_H_
