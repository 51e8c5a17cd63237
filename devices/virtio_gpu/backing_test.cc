#include "devices/virtio_gpu/backing.h"

#include <vector>

#include "devices/virtio/testing/guest_ram.h"
#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

constexpr uint64_t kBase = virtio::GuestRam::kBase;

class BackingTest : public testing::Test {
 protected:
  BackingTest() {
    for (uint64_t i = 0; i < 256; ++i) {
      ram_.WriteValue(kBase + i, static_cast<uint8_t>(i));
    }
  }
  std::vector<uint8_t> Read(const Backing& backing, uint64_t offset,
                            size_t size) {
    std::vector<uint8_t> out(size, 0xee);
    EXPECT_TRUE(backing.Read(offset, out).ok());
    return out;
  }

  virtio::GuestRam ram_;
};

using Bytes = std::vector<uint8_t>;

TEST_F(BackingTest, IsOneStreamOverItsEntries) {
  const Backing backing = *Backing::Create(
      &ram_.memory(), {{kBase + 100, 3}, {kBase + 10, 2}, {kBase + 50, 4}});
  EXPECT_EQ(backing.size(), 9u);
  EXPECT_EQ(Read(backing, 0, 9),
            Bytes({100, 101, 102, 10, 11, 50, 51, 52, 53}));
  EXPECT_EQ(Read(backing, 2, 4), Bytes({102, 10, 11, 50}));
  EXPECT_EQ(Read(backing, 8, 1), Bytes({53}));
  EXPECT_EQ(Read(backing, 9, 0), Bytes());
}

TEST_F(BackingTest, JoinsEntriesThatTouch) {
  const Backing backing = *Backing::Create(
      &ram_.memory(), {{kBase, 2}, {kBase + 2, 2}, {kBase + 5, 1}});
  EXPECT_EQ(backing.num_pieces(), 2u);
  EXPECT_EQ(Read(backing, 0, 5), Bytes({0, 1, 2, 3, 5}));
}

TEST_F(BackingTest, RefusesBytesBeyondItsEnd) {
  const Backing backing = *Backing::Create(&ram_.memory(), {{kBase, 8}});
  Bytes out(4);
  EXPECT_EQ(backing.Read(5, out).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(backing.Read(UINT64_MAX, out).code(),
            absl::StatusCode::kOutOfRange);
}

TEST_F(BackingTest, RefusesEntriesOutsideRam) {
  EXPECT_FALSE(Backing::Create(&ram_.memory(), {{0, 16}}).ok());
  EXPECT_FALSE(Backing::Create(&ram_.memory(), {{ram_.end() - 8, 16}}).ok());
  EXPECT_TRUE(Backing::Create(&ram_.memory(), {{ram_.end() - 8, 8}}).ok());
}

TEST_F(BackingTest, MayBeEmpty) {
  const Backing backing = *Backing::Create(&ram_.memory(), {});
  EXPECT_EQ(backing.size(), 0u);
  EXPECT_EQ(Read(backing, 0, 0), Bytes());
}

}  // namespace
}  // namespace nacre::virtio_gpu
