#include "devices/virtio_gpu/host_visible_window.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <random>
#include <set>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/page_size.h"
#include "base/testing/host_faults.h"
#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

constexpr uint64_t kPage = kLargestPageSize;
constexpr uint64_t kSize = 64 * kPage;
constexpr size_t kMaxMappings = 8;
constexpr uint64_t kMaxBytes = 32 * kPage;

class HostVisibleWindowTest : public testing::Test {
 protected:
  HostVisibleWindowTest()
      : fd_(*CreateMemfd("blob", kSize)),
        window_(*HostVisibleWindow::Create(
            kSize,
            {.max_mapped_blobs = kMaxMappings, .max_mapped_bytes = kMaxBytes},
            kPage)) {
    // Page n of the blob begins with n + 1.
    const Mapping blob = *Mapping::Shared(fd_.get(), 0, kSize);
    for (uint64_t page = 0; page < kSize / kPage; ++page) {
      blob.data()[page * kPage] = static_cast<uint8_t>(page + 1);
    }
  }

  absl::StatusCode Map(uint64_t offset, uint64_t size, uint64_t at = 0) {
    return window_.Map(offset, size, BlobMemory{fd_.get(), at}).code();
  }
  uint8_t Peek(uint64_t page) { return window_.host()[page * kPage]; }

  Fd fd_;
  HostVisibleWindow window_;
};

TEST_F(HostVisibleWindowTest, IsZeroedMemoryWhereNothingIsMapped) {
  for (uint64_t page = 0; page < kSize / kPage; ++page) {
    EXPECT_EQ(Peek(page), 0);
  }
  window_.host()[5] = 1;  // And may be written.
}

TEST_F(HostVisibleWindowTest, ShowsTheBlobFromItsOffset) {
  ASSERT_EQ(Map(kPage, 2 * kPage, 3 * kPage), absl::StatusCode::kOk);
  EXPECT_EQ(Peek(0), 0);
  EXPECT_EQ(Peek(1), 4);
  EXPECT_EQ(Peek(2), 5);
  EXPECT_EQ(Peek(3), 0);
  EXPECT_EQ(window_.mapped_bytes(), 2 * kPage);
}

TEST_F(HostVisibleWindowTest, SharesWritesWithTheBlob) {
  ASSERT_EQ(Map(0, kPage), absl::StatusCode::kOk);
  window_.host()[1] = 77;
  EXPECT_EQ(Mapping::Shared(fd_.get(), 0, kPage)->data()[1], 77);
}

TEST_F(HostVisibleWindowTest, PutsZeroesBackOnUnmap) {
  ASSERT_EQ(Map(kPage, kPage), absl::StatusCode::kOk);
  ASSERT_TRUE(window_.Unmap(kPage).ok());
  EXPECT_EQ(Peek(1), 0);
  window_.host()[kPage] = 9;
  EXPECT_EQ(Mapping::Shared(fd_.get(), 0, kPage)->data()[0], 1);
  EXPECT_EQ(window_.mapped_bytes(), 0u);
  EXPECT_EQ(window_.num_mappings(), 0u);
}

TEST_F(HostVisibleWindowTest, RefusesUnalignedAndEmptyRanges) {
  EXPECT_EQ(Map(1, kPage), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Map(kPage / 2, kPage), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Map(0, kPage + 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Map(0, 0), absl::StatusCode::kInvalidArgument);
}

TEST_F(HostVisibleWindowTest, RefusesRangesBeyondItsEnd) {
  EXPECT_EQ(Map(kSize, kPage), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Map(kSize - kPage, 2 * kPage), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Map(UINT64_MAX - kPage + 1, kPage), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Map(kPage, UINT64_MAX - kPage + 1), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Map(kSize - kPage, kPage), absl::StatusCode::kOk);
}

TEST_F(HostVisibleWindowTest, RefusesOverlapFromAnySide) {
  ASSERT_EQ(Map(4 * kPage, 4 * kPage), absl::StatusCode::kOk);
  EXPECT_EQ(Map(4 * kPage, 4 * kPage), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Map(5 * kPage, kPage), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Map(3 * kPage, 2 * kPage), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Map(7 * kPage, 2 * kPage), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Map(0, kSize), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Map(3 * kPage, kPage), absl::StatusCode::kOk);
  EXPECT_EQ(Map(8 * kPage, kPage), absl::StatusCode::kOk);
}

TEST_F(HostVisibleWindowTest, RefusesMoreMappingsThanItsLimit) {
  for (uint64_t i = 0; i < kMaxMappings; ++i) {
    ASSERT_EQ(Map(i * kPage, kPage), absl::StatusCode::kOk);
  }
  EXPECT_EQ(Map(kMaxMappings * kPage, kPage),
            absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(window_.Unmap(0).ok());
  EXPECT_EQ(Map(kMaxMappings * kPage, kPage), absl::StatusCode::kOk);
}

TEST_F(HostVisibleWindowTest, RefusesMoreBytesThanItsLimit) {
  EXPECT_EQ(Map(0, kMaxBytes + kPage), absl::StatusCode::kResourceExhausted);
  ASSERT_EQ(Map(0, kMaxBytes - kPage), absl::StatusCode::kOk);
  EXPECT_EQ(Map(kMaxBytes, 2 * kPage), absl::StatusCode::kResourceExhausted);
  ASSERT_EQ(Map(kMaxBytes, kPage), absl::StatusCode::kOk);
  EXPECT_EQ(Map(kMaxBytes + kPage, kPage),
            absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(window_.Unmap(kMaxBytes).ok());
  EXPECT_EQ(Map(kMaxBytes + kPage, kPage), absl::StatusCode::kOk);
}

TEST_F(HostVisibleWindowTest, RefusesToUnmapWhereNoMappingBegins) {
  ASSERT_EQ(Map(kPage, 2 * kPage), absl::StatusCode::kOk);
  EXPECT_EQ(window_.Unmap(0).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(window_.Unmap(2 * kPage).code(), absl::StatusCode::kNotFound);
}

TEST_F(HostVisibleWindowTest, AFailedMmapLeavesMemoryInPlace) {
  EXPECT_FALSE(window_.Map(0, kPage, BlobMemory{-1, 0}).ok());
  EXPECT_EQ(Peek(0), 0);
  EXPECT_EQ(window_.num_mappings(), 0u);
}

// A socket refuses when it is asked, as a driver does an offset that it does
// not know: where MAP_FIXED has taken away by then what was there.
TEST_F(HostVisibleWindowTest, AFileThatRefusesToBeMappedChangesNothing) {
  window_.host()[kPage] = 7;
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_TRUE(socket.valid());
  EXPECT_FALSE(window_.Map(kPage, kPage, {.fd = socket.get()}).ok());
  EXPECT_EQ(Peek(1), 7);
  EXPECT_EQ(Map(kPage, kPage), absl::StatusCode::kOk);
}

TEST_F(HostVisibleWindowTest, ClearTakesAwayEverything) {
  ASSERT_EQ(Map(0, kPage), absl::StatusCode::kOk);
  ASSERT_EQ(Map(8 * kPage, kPage), absl::StatusCode::kOk);
  window_.host()[20 * kPage] = 3;
  EXPECT_TRUE(window_.Clear().ok());
  EXPECT_EQ(Peek(0), 0);
  EXPECT_EQ(Peek(8), 0);
  EXPECT_EQ(Peek(20), 0);
  EXPECT_EQ(window_.mapped_bytes(), 0u);
  EXPECT_EQ(Map(0, kPage), absl::StatusCode::kOk);
}

TEST_F(HostVisibleWindowTest, ClearGoesBlobByBlobWhereTheHostRefusesAll) {
  ASSERT_EQ(Map(0, kPage), absl::StatusCode::kOk);
  ASSERT_EQ(Map(8 * kPage, kPage), absl::StatusCode::kOk);
  window_.host()[20 * kPage] = 3;
  {
    const HostFault fault({.first = 0, .error = ENOMEM});
    EXPECT_TRUE(window_.Clear().ok());
    EXPECT_EQ(fault.failed(), "mmap(0)");
  }
  EXPECT_EQ(Peek(0), 0);
  EXPECT_EQ(Peek(8), 0);
  EXPECT_EQ(Peek(20), 0);
  EXPECT_EQ(window_.mapped_bytes(), 0u);
}

TEST_F(HostVisibleWindowTest, WhatCannotBeClearedStaysMapped) {
  ASSERT_EQ(Map(0, kPage), absl::StatusCode::kOk);
  {
    const HostFault fault({.first = 0, .repeatedly = true, .error = ENOMEM});
    EXPECT_FALSE(window_.Clear().ok());
  }
  EXPECT_EQ(Peek(0), 1);
  EXPECT_EQ(window_.num_mappings(), 1u);
  EXPECT_EQ(window_.mapped_bytes(), kPage);
  EXPECT_TRUE(window_.Clear().ok());
  EXPECT_EQ(Peek(0), 0);
  EXPECT_EQ(window_.num_mappings(), 0u);
}

TEST_F(HostVisibleWindowTest, RandomMapsAgreeWithABitmap) {
  std::mt19937 random(7);
  std::set<uint64_t> used;
  std::map<uint64_t, uint64_t> mapped;
  for (int step = 0; step < 5000; ++step) {
    const uint64_t first = random() % 64;
    const uint64_t count = 1 + random() % 8;
    if (random() % 2 == 0 && !mapped.empty()) {
      const auto it = std::next(mapped.begin(), random() % mapped.size());
      ASSERT_TRUE(window_.Unmap(it->first * kPage).ok());
      for (uint64_t i = 0; i < it->second; ++i) used.erase(it->first + i);
      mapped.erase(it);
      continue;
    }
    bool fits = first + count <= 64 && mapped.size() < kMaxMappings &&
                (used.size() + count) * kPage <= kMaxBytes;
    for (uint64_t i = 0; i < count; ++i) fits &= !used.contains(first + i);
    ASSERT_EQ(Map(first * kPage, count * kPage) == absl::StatusCode::kOk, fits);
    if (!fits) continue;
    mapped[first] = count;
    for (uint64_t i = 0; i < count; ++i) used.insert(first + i);
    ASSERT_EQ(window_.mapped_bytes(), used.size() * kPage);
  }
}

TEST(HostVisibleWindowCreateTest, RefusesSizesThatAreNoPowerOfTwo) {
  EXPECT_FALSE(HostVisibleWindow::Create(3 * kPage, {}, kPage).ok());
  EXPECT_FALSE(HostVisibleWindow::Create(kPage / 2, {}, kPage).ok());
}

// Else older KVMs of arm64 let a guest read the host's memory.
TEST(HostVisibleWindowCreateTest, NoPartOfItIsALargePage) {
  constexpr uint64_t kLargePage = uint64_t{2} << 20;
  for (const uint64_t page_size : kPageSizes) {
    if (page_size < HostPageSize()) continue;
    const HostVisibleWindow window =
        *HostVisibleWindow::Create(4 * kLargePage, {}, page_size);
    const auto start = reinterpret_cast<uintptr_t>(window.host().data());
    EXPECT_EQ(start % page_size, 0u);
    // A guest's address of the window is a multiple of its size.
    EXPECT_NE(start % kLargePage, 0u);
    EXPECT_EQ(window.host().size(), 4 * kLargePage);
  }
}

TEST(HostVisibleWindowCreateTest, AWindowOfNothingHoldsNothing) {
  HostVisibleWindow window = *HostVisibleWindow::Create(0, {});
  EXPECT_TRUE(window.host().empty());
  EXPECT_EQ(window.Map(0, kPage, BlobMemory{}).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(window.Clear().ok());
}

}  // namespace
}  // namespace nacre::virtio_gpu
