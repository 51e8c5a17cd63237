#include "base/errno_status.h"

#include <cerrno>
#include <string>
#include <system_error>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"

namespace nacre {
namespace {

constexpr char kErrnoPayload[] = "nacre/errno";

int ErrnoForCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kNotFound:
      return ENOENT;
    case absl::StatusCode::kAlreadyExists:
      return EEXIST;
    case absl::StatusCode::kPermissionDenied:
      return EPERM;
    case absl::StatusCode::kResourceExhausted:
      return ENOMEM;
    case absl::StatusCode::kUnimplemented:
      return EOPNOTSUPP;
    case absl::StatusCode::kDeadlineExceeded:
      return ETIMEDOUT;
    case absl::StatusCode::kUnavailable:
      return EBUSY;
    case absl::StatusCode::kInternal:
      return EIO;
    default:
      return EINVAL;
  }
}

}  // namespace

absl::Status ErrnoStatus(absl::string_view what) {
  return ErrnoStatus(errno, what);
}

absl::Status ErrnoStatus(int error, absl::string_view what) {
  absl::Status status(
      absl::ErrnoToStatusCode(error),
      absl::StrCat(what, ": ", std::generic_category().message(error)));
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(error)));
  return status;
}

absl::Status ErrnoAnswer(int error) {
  const absl::StatusCode code = absl::ErrnoToStatusCode(error);
  if (ErrnoForCode(code) == error) return absl::Status(code, "");
  return ErrnoStatus(error, "answer");
}

int StatusErrno(const absl::Status& status) {
  if (status.ok()) return 0;
  // Without a message there is no payload either: ErrnoAnswer's.
  if (status.message().empty()) return ErrnoForCode(status.code());
  if (const absl::optional<absl::Cord> payload =
          status.GetPayload(kErrnoPayload)) {
    int error = 0;
    if (absl::SimpleAtoi(std::string(*payload), &error) && error > 0) {
      return error;
    }
  }
  return ErrnoForCode(status.code());
}

}  // namespace nacre
