#include "tools/preload/fd_table.h"

#include <atomic>
#include <memory>
#include <thread>

#include "gtest/gtest.h"

namespace nacre::preload {
namespace {

class SomeFile : public OpenFile {
 public:
  absl::Status Ioctl(uint32_t /*request*/, void* /*argument*/) override {
    return absl::OkStatus();
  }
};
class OtherFile final : public SomeFile {};

constexpr int kBehindTheBits = 1'000'000;

TEST(FdTableTest, FindsWhatWasInserted) {
  FdTable table;
  const auto file = std::make_shared<SomeFile>();
  for (const int fd : {0, 63, 64, 65535, 65536, kBehindTheBits}) {
    EXPECT_EQ(table.Find(fd), nullptr) << fd;
    EXPECT_EQ(table.Insert(fd, file), nullptr) << fd;
    EXPECT_EQ(table.Find(fd), file) << fd;
  }
  EXPECT_EQ(table.Find(1), nullptr);
  EXPECT_EQ(table.Find(-1), nullptr);
}

TEST(FdTableTest, HandsOutWhatItForgets) {
  FdTable table;
  const auto first = std::make_shared<SomeFile>();
  const auto second = std::make_shared<SomeFile>();
  table.Insert(3, first);
  EXPECT_EQ(table.Insert(3, second), first);
  EXPECT_EQ(table.Remove(3), second);
  EXPECT_EQ(table.Remove(3), nullptr);
  EXPECT_EQ(table.Find(3), nullptr);
}

TEST(FdTableTest, RemovesARange) {
  FdTable table;
  const auto file = std::make_shared<SomeFile>();
  for (const int fd : {3, 4, 5, kBehindTheBits}) table.Insert(fd, file);
  EXPECT_EQ(table.RemoveRange(4, 5).size(), 2u);
  EXPECT_EQ(table.Find(4), nullptr);
  EXPECT_EQ(table.Find(3), file);
  EXPECT_EQ(table.RemoveRange(3, ~0u).size(), 2u);
  EXPECT_EQ(file.use_count(), 1);
}

TEST(FdTableTest, TellsKindsApart) {
  FdTable table;
  table.Insert(3, std::make_shared<OtherFile>());
  table.Insert(4, std::make_shared<SomeFile>());
  EXPECT_NE(table.FindAs<OtherFile>(3), nullptr);
  EXPECT_EQ(table.FindAs<OtherFile>(4), nullptr);
  EXPECT_EQ(table.FindAs<OtherFile>(5), nullptr);
}

TEST(FdTableTest, ThreadsMayUseItTogether) {
  FdTable table;
  const auto file = std::make_shared<SomeFile>();
  table.Insert(1, file);
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    while (!stop) EXPECT_EQ(table.Find(1), file);
  });
  for (int i = 0; i < 10'000; ++i) {
    table.Insert(2, file);
    table.Remove(2);
  }
  stop = true;
  reader.join();
}

}  // namespace
}  // namespace nacre::preload
