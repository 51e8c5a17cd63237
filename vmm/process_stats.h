#ifndef NACRE_VMM_PROCESS_STATS_H_
#define NACRE_VMM_PROCESS_STATS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace nacre::vmm {

// CLOCK_MONOTONIC since this process began to initialise.
absl::Duration TimeSinceProcessStart();

// This process's resident memory in bytes without shared memory (RssAnon and
// RssFile of proc(5)). Guest RAM and GPU buffers are memfds, which the kernel
// counts as shared, so this is what the VMM itself costs. Errors: where /proc
// is not mounted.
absl::StatusOr<uint64_t> OwnMemoryBytes();
// The same of another process, which `folder` is proc(5)'s of.
absl::StatusOr<uint64_t> MemoryBytesOf(const std::string& folder);

}  // namespace nacre::vmm

#endif  // NACRE_VMM_PROCESS_STATS_H_
