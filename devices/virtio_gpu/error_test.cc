#include "devices/virtio_gpu/error.h"

#include <string>

#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

using wire::Type;

TEST(ErrorTest, IdErrorsNameTheIdAtFault) {
  EXPECT_EQ(ErrorResponseType(ResourceIdError(1, "does not exist")),
            Type::kErrInvalidResourceId);
  EXPECT_EQ(ErrorResponseType(ContextIdError(1, "does not exist")),
            Type::kErrInvalidContextId);
  EXPECT_EQ(ErrorResponseType(ScanoutIdError(1, "does not exist")),
            Type::kErrInvalidScanoutId);
  EXPECT_EQ(ResourceIdError(7, "is in use").message(), "resource 7 is in use");
}

TEST(ErrorTest, OtherErrorsBecomeTheNearestResponse) {
  EXPECT_EQ(ErrorResponseType(absl::ResourceExhaustedError("")),
            Type::kErrOutOfMemory);
  EXPECT_EQ(ErrorResponseType(absl::InvalidArgumentError("")),
            Type::kErrInvalidParameter);
  EXPECT_EQ(ErrorResponseType(absl::FailedPreconditionError("")),
            Type::kErrInvalidParameter);
  EXPECT_EQ(ErrorResponseType(absl::UnimplementedError("")), Type::kErrUnspec);
  EXPECT_EQ(ErrorResponseType(absl::InternalError("")), Type::kErrUnspec);
}

}  // namespace
}  // namespace nacre::virtio_gpu
