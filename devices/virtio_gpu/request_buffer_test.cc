#include "devices/virtio_gpu/request_buffer.h"

#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

constexpr size_t kSmall = 100;
constexpr size_t kLarge = RequestBuffer::kKeptBytes + 1;

TEST(RequestBufferTest, StaysInPlaceForSmallRequests) {
  RequestBuffer buffer;
  const uint8_t* const place = buffer.Get(1).data();
  EXPECT_EQ(buffer.Get(RequestBuffer::kKeptBytes).data(), place);
  EXPECT_EQ(buffer.Get(kSmall).data(), place);
  EXPECT_EQ(buffer.Get(kSmall).size(), kSmall);
  buffer.Shrink();
  EXPECT_EQ(buffer.Get(kSmall).data(), place);
}

TEST(RequestBufferTest, StaysInPlaceWhileLargeRequestsKeepComing) {
  RequestBuffer buffer;
  const uint8_t* const place = buffer.Get(kLarge).data();
  for (int frame = 0; frame < 10; ++frame) {
    for (int i = 1; i < RequestBuffer::kPatience; ++i) {
      ASSERT_EQ(buffer.Get(kSmall).data(), place);
    }
    ASSERT_EQ(buffer.Get(kLarge).data(), place);
  }
}

TEST(RequestBufferTest, GivesLargeMemoryBackWhenTheyHaveStopped) {
  RequestBuffer buffer;
  buffer.Get(kLarge);
  for (int i = 0; i < RequestBuffer::kPatience; ++i) buffer.Get(kSmall);
  EXPECT_FALSE(buffer.large());
}

TEST(RequestBufferTest, GivesLargeMemoryBackWhenTold) {
  RequestBuffer buffer;
  buffer.Get(kLarge);
  EXPECT_TRUE(buffer.large());
  buffer.Shrink();
  EXPECT_FALSE(buffer.large());
  EXPECT_EQ(buffer.Get(kSmall).size(), kSmall);
}

}  // namespace
}  // namespace nacre::virtio_gpu
