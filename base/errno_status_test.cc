#include "base/errno_status.h"

#include <cerrno>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre {
namespace {

TEST(ErrnoStatusTest, KeepsTheErrnoBesideTheCode) {
  // Both map to the same absl code; the guest must see which one it was.
  EXPECT_EQ(StatusErrno(ErrnoStatus(EINVAL, "a")), EINVAL);
  EXPECT_EQ(StatusErrno(ErrnoStatus(ENAMETOOLONG, "b")), ENAMETOOLONG);
}

TEST(ErrnoStatusTest, MessageNamesTheCallAndTheReason) {
  EXPECT_THAT(ErrnoStatus(ENOENT, "open(/x)").message(),
              testing::AllOf(testing::HasSubstr("open(/x)"),
                             testing::HasSubstr("No such file")));
}

TEST(ErrnoStatusTest, AnswersKeepTheirErrnoToo) {
  for (const int error : {EBUSY, ETIMEDOUT, ENOENT, EINVAL, EAGAIN, EINTR}) {
    EXPECT_EQ(StatusErrno(ErrnoAnswer(error)), error);
  }
}

TEST(ErrnoStatusTest, EveryErrorHasANonZeroErrno) {
  EXPECT_EQ(StatusErrno(absl::OkStatus()), 0);
  for (int code = 1; code <= 16; ++code) {
    EXPECT_GT(
        StatusErrno(absl::Status(static_cast<absl::StatusCode>(code), "x")), 0)
        << code;
  }
}

}  // namespace
}  // namespace nacre
