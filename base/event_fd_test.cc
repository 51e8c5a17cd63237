#include "base/event_fd.h"

#include "gtest/gtest.h"

namespace nacre {
namespace {

TEST(EventFdTest, CountsAndClears) {
  absl::StatusOr<EventFd> event = EventFd::Create();
  ASSERT_TRUE(event.ok());
  EXPECT_EQ(event->Clear(), 0u);
  event->Signal();
  event->Signal();
  EXPECT_EQ(event->Clear(), 2u);
  EXPECT_EQ(event->Clear(), 0u);
}

TEST(EventFdTest, DuplicateSharesTheCounter) {
  absl::StatusOr<EventFd> event = EventFd::Create();
  ASSERT_TRUE(event.ok());
  absl::StatusOr<EventFd> copy = event->Duplicate();
  ASSERT_TRUE(copy.ok());
  copy->Signal();
  EXPECT_EQ(event->Clear(), 1u);
}

}  // namespace
}  // namespace nacre
