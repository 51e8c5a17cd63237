#include "vmm/image_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/page_size.h"
#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

constexpr uint64_t kSize = kLargestPageSize;

class ImageFileTest : public testing::Test {
 protected:
  ImageFileTest() { std::ofstream(path_, std::ios::binary) << "0123456789"; }

  static GuestMemory MakeMemory() {
    const std::array<GuestMemory::RegionSpec, 1> regions = {{{0, kSize}}};
    return GuestMemory::Create(regions).value();
  }

  const std::string path_ = testing::TempDir() + "/image_file_test.bin";
  const GuestMemory memory_ = MakeMemory();
};

TEST_F(ImageFileTest, LoadsAPieceIntoGuestMemory) {
  const ImageFile file = ImageFile::Open("kernel", path_).value();
  EXPECT_EQ(file.size(), 10u);
  ASSERT_TRUE(file.LoadTo(memory_, 2, 3, 0x100).ok());
  std::vector<uint8_t> loaded(5);
  ASSERT_TRUE(memory_.Read(0xff, loaded).ok());
  EXPECT_EQ(loaded, (std::vector<uint8_t>{0, '2', '3', '4', 0}));
}

TEST_F(ImageFileTest, ReadsNoMoreHeadThanThereIs) {
  const ImageFile file = ImageFile::Open("kernel", path_).value();
  EXPECT_EQ(file.ReadHead(4).value().size(), 4u);
  EXPECT_EQ(file.ReadHead(100).value().size(), 10u);
}

TEST_F(ImageFileTest, SaysWhichFileIsMissing) {
  const absl::Status status =
      ImageFile::Open("initrd", "/nonexistent/initrd").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(),
            "initrd /nonexistent/initrd: no such file; give the path of one");
}

TEST_F(ImageFileTest, RefusesDirectoriesAndEmptyFiles) {
  EXPECT_EQ(ImageFile::Open("kernel", testing::TempDir()).status().code(),
            absl::StatusCode::kInvalidArgument);
  std::ofstream(path_, std::ios::trunc);
  EXPECT_EQ(ImageFile::Open("kernel", path_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// A FIFO that nobody writes to would be waited for.
TEST_F(ImageFileTest, RefusesAFifoAtOnce) {
  const std::string fifo = testing::TempDir() + "/image_file_test.fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(ImageFile::Open("kernel", fifo).status().code(),
            absl::StatusCode::kInvalidArgument);
  unlink(fifo.c_str());
}

TEST_F(ImageFileTest, NoticesAFileThatBecameShorter) {
  const ImageFile file = ImageFile::Open("kernel", path_).value();
  std::ofstream(path_, std::ios::trunc) << "0123";
  EXPECT_EQ(file.LoadTo(memory_, 0, 10, 0).code(), absl::StatusCode::kDataLoss);
}

TEST_F(ImageFileTest, RefusesToLoadOutsideRam) {
  const ImageFile file = ImageFile::Open("kernel", path_).value();
  EXPECT_EQ(file.LoadTo(memory_, 0, 10, kSize - 5).code(),
            absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace nacre::vmm
