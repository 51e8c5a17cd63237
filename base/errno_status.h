#ifndef NACRE_BASE_ERRNO_STATUS_H_
#define NACRE_BASE_ERRNO_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace nacre {

// The status for a failed system call: the absl code nearest to the errno,
// the message "<what>: <strerror>", and the errno itself as a payload, so that
// it can travel to a guest unchanged (see StatusErrno).
// The first form reads errno: call it before anything else can change it.
absl::Status ErrnoStatus(absl::string_view what);
absl::Status ErrnoStatus(int error, absl::string_view what);
// For an answer that is no failure, as EBUSY of a poll: has no message, and
// costs nothing for the errnos that StatusErrno finds nearest to their codes.
absl::Status ErrnoAnswer(int error);

// The errno (positive) that `status` stands for: 0 for OK, the payload where
// ErrnoStatus made it, else the errno nearest to its code. Every non-OK status
// gives a non-zero value.
int StatusErrno(const absl::Status& status);

}  // namespace nacre

#endif  // NACRE_BASE_ERRNO_STATUS_H_
