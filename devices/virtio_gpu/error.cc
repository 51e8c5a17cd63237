#include "devices/virtio_gpu/error.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace nacre::virtio_gpu {
namespace {

using wire::Type;

// The payload is one byte: which id.
constexpr char kPayload[] = "nacre/virtio-gpu-id";
constexpr char kResource = 'r';
constexpr char kContext = 'c';
constexpr char kScanout = 's';

absl::Status IdError(char kind, absl::string_view name, uint32_t id,
                     absl::string_view problem) {
  absl::Status status =
      absl::NotFoundError(absl::StrCat(name, " ", id, " ", problem));
  status.SetPayload(kPayload, absl::Cord(absl::string_view(&kind, 1)));
  return status;
}

}  // namespace

absl::Status ResourceIdError(uint32_t resource_id, absl::string_view problem) {
  return IdError(kResource, "resource", resource_id, problem);
}

absl::Status ContextIdError(uint32_t ctx_id, absl::string_view problem) {
  return IdError(kContext, "context", ctx_id, problem);
}

absl::Status ScanoutIdError(uint32_t scanout_id, absl::string_view problem) {
  return IdError(kScanout, "scanout", scanout_id, problem);
}

Type ErrorResponseType(const absl::Status& status) {
  if (const auto payload = status.GetPayload(kPayload); payload.has_value()) {
    if (*payload == absl::string_view(&kContext, 1)) {
      return Type::kErrInvalidContextId;
    }
    if (*payload == absl::string_view(&kScanout, 1)) {
      return Type::kErrInvalidScanoutId;
    }
    return Type::kErrInvalidResourceId;
  }
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      return Type::kErrOutOfMemory;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kNotFound:
      return Type::kErrInvalidParameter;
    default:
      return Type::kErrUnspec;
  }
}

}  // namespace nacre::virtio_gpu
