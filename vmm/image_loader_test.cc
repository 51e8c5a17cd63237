#include "vmm/image_loader.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "base/testing/host_faults.h"
#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

constexpr uint64_t kMiB = 1 << 20;

// Bytes that tell where in the file they are from.
std::vector<uint8_t> Pattern(uint64_t offset, uint64_t size) {
  std::vector<uint8_t> bytes(size);
  for (uint64_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<uint8_t>((offset + i) * 7 >> 3 | 1);
  }
  return bytes;
}

class ImageLoaderTest : public testing::Test {
 protected:
  ImageLoaderTest() { WriteFile(Pattern(0, 7 * kMiB + 5)); }

  void WriteFile(const std::vector<uint8_t>& bytes) {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  static GuestMemory MakeMemory() {
    const std::array<GuestMemory::RegionSpec, 1> regions = {{{0, 32 * kMiB}}};
    return GuestMemory::Create(regions).value();
  }
  absl::Status Create(std::vector<ImagePiece> pieces) {
    absl::StatusOr<std::unique_ptr<ImageLoader>> loader = ImageLoader::Create(
        memory_, std::move(pieces), [this](absl::Status status) {
          MutexLock lock(mutex_);
          error_ = std::move(status);
        });
    if (!loader.ok()) return loader.status();
    loader_ = *std::move(loader);
    return absl::OkStatus();
  }
  // As a vCPU whose every access fails.
  int LoadToTheEnd() {
    loader_->Start();
    int times = 0;
    uint64_t seen = 0;
    while (loader_->WaitForMore(&seen)) ++times;
    return times;
  }
  std::vector<uint8_t> Read(uint64_t address, uint64_t size) {
    std::vector<uint8_t> bytes(size);
    EXPECT_TRUE(memory_.Read(address, bytes).ok());
    return bytes;
  }
  // As the hypervisor sees it; would crash where it has no access.
  uint8_t GuestByte(uint64_t address) {
    return reinterpret_cast<const uint8_t*>(
        memory_.host_regions()[0].host_address)[address];
  }

  const std::string path_ = testing::TempDir() + "/image_loader_test.bin";
  const GuestMemory memory_ = MakeMemory();
  std::optional<ImageFile> file_;
  Mutex mutex_;
  absl::Status error_;
  std::unique_ptr<ImageLoader> loader_;
};

TEST_F(ImageLoaderTest, PiecesArriveWhereTheyBelong) {
  file_ = ImageFile::Open("kernel", path_).value();
  ASSERT_TRUE(Create({{&*file_, 3, 5 * kMiB, kMiB + 17},
                      {&*file_, 6 * kMiB, kMiB + 5, 20 * kMiB}})
                  .ok());
  EXPECT_GE(LoadToTheEnd(), 1);
  EXPECT_EQ(Read(kMiB + 17, 5 * kMiB), Pattern(3, 5 * kMiB));
  EXPECT_EQ(Read(20 * kMiB, kMiB + 5), Pattern(6 * kMiB, kMiB + 5));
  // Around them nothing changed.
  EXPECT_EQ(Read(kMiB + 16, 1)[0], 0);
  EXPECT_EQ(Read(6 * kMiB + 17, 1)[0], 0);
  EXPECT_EQ(Read(21 * kMiB + 5, 1)[0], 0);
}

TEST_F(ImageLoaderTest, TheGuestSeesEverythingAtTheEnd) {
  file_ = ImageFile::Open("kernel", path_).value();
  ASSERT_TRUE(Create({{&*file_, 0, 7 * kMiB, 4 * kMiB}}).ok());
  LoadToTheEnd();
  for (uint64_t offset = 0; offset < 7 * kMiB; offset += 4096) {
    ASSERT_EQ(GuestByte(4 * kMiB + offset), Pattern(offset, 1)[0]) << offset;
  }
}

TEST_F(ImageLoaderTest, WithoutAThreadItIsDoneBeforeStartReturns) {
  file_ = ImageFile::Open("kernel", path_).value();
  ASSERT_TRUE(Create({{&*file_, 0, 7 * kMiB, 4 * kMiB}}).ok());
  const HostFault fault({.first = 0, .error = EAGAIN});
  loader_->Start();
  EXPECT_EQ(fault.failed(), "pthread_create(0)");
  EXPECT_EQ(GuestByte(11 * kMiB - 1), Pattern(7 * kMiB - 1, 1)[0]);
}

// Before there is a thread: enough for an entry point.
TEST_F(ImageLoaderTest, TheFirstBlockIsThereAtOnce) {
  file_ = ImageFile::Open("kernel", path_).value();
  ASSERT_TRUE(Create({{&*file_, 0, 7 * kMiB, 4 * kMiB}}).ok());
  EXPECT_EQ(GuestByte(4 * kMiB), Pattern(0, 1)[0]);
  EXPECT_EQ(GuestByte(4 * kMiB + 0xffff), Pattern(0xffff, 1)[0]);
}

// A guest of a few instructions need not wait, not even where KVM cannot make
// it wait.
TEST_F(ImageLoaderTest, SmallImagesAreThereAtOnce) {
  file_ = ImageFile::Open("kernel", path_).value();
  ASSERT_TRUE(
      Create({{&*file_, 0, 100, 4 * kMiB}, {&*file_, 200, 100, 20 * kMiB}})
          .ok());
  EXPECT_EQ(GuestByte(4 * kMiB), Pattern(0, 1)[0]);
  EXPECT_EQ(GuestByte(20 * kMiB + 99), Pattern(299, 1)[0]);
}

TEST_F(ImageLoaderTest, PiecesMayShareABlock) {
  file_ = ImageFile::Open("kernel", path_).value();
  ASSERT_TRUE(Create({{&*file_, 0, 100, 4 * kMiB + 5000},
                      {&*file_, 100, 100, 4 * kMiB + 100},
                      {&*file_, 200, 100, 4 * kMiB + 9000}})
                  .ok());
  LoadToTheEnd();
  EXPECT_EQ(Read(4 * kMiB + 5000, 100), Pattern(0, 100));
  EXPECT_EQ(Read(4 * kMiB + 100, 100), Pattern(100, 100));
  EXPECT_EQ(Read(4 * kMiB + 9000, 100), Pattern(200, 100));
  EXPECT_EQ(GuestByte(4 * kMiB + 9000), Pattern(200, 1)[0]);
}

TEST_F(ImageLoaderTest, AFileThatIsTooShortAtTheStartIsRefused) {
  file_ = ImageFile::Open("kernel", path_).value();
  EXPECT_EQ(Create({{&*file_, 7 * kMiB, kMiB, 4 * kMiB}}).code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(ImageLoaderTest, AFileThatEndsLaterIsReported) {
  file_ = ImageFile::Open("kernel", path_).value();
  ASSERT_TRUE(Create({{&*file_, 0, 10 * kMiB, 4 * kMiB}}).ok());
  LoadToTheEnd();
  loader_.reset();
  MutexLock lock(mutex_);
  EXPECT_EQ(error_.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(error_.message().find(path_), absl::string_view::npos);
}

TEST_F(ImageLoaderTest, PiecesOutsideRamAreRefused) {
  file_ = ImageFile::Open("kernel", path_).value();
  EXPECT_EQ(Create({{&*file_, 0, kMiB, 32 * kMiB - 4096}}).code(),
            absl::StatusCode::kOutOfRange);
}

TEST_F(ImageLoaderTest, NothingToLoadIsDoneAtOnce) {
  ASSERT_TRUE(Create({}).ok());
  EXPECT_EQ(LoadToTheEnd(), 0);
}

TEST_F(ImageLoaderTest, AbandonedItLetsNobodyWait) {
  file_ = ImageFile::Open("kernel", path_).value();
  ASSERT_TRUE(Create({{&*file_, 0, 7 * kMiB, 4 * kMiB}}).ok());
  loader_->Abandon();
  EXPECT_LE(LoadToTheEnd(), 1);
}

}  // namespace
}  // namespace nacre::vmm
