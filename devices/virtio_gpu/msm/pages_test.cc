#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "base/checked.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "gtest/gtest.h"

// Buffers where the host's kernel, the guest's kernel or both have pages of 16
// or 64 KiB.

namespace nacre::msm {
namespace {

struct Pages {
  uint64_t host;
  uint64_t guest;
};

class PagesTest : public ContextTestBase,
                  public testing::WithParamInterface<Pages> {
 protected:
  void SetUp() override {
    if (host_ < HostPageSize()) GTEST_SKIP() << "this host's pages are larger";
    device_.set_page_size(host_);
    guest_->set_page_size(guest_page_);
  }

  const uint64_t host_ = GetParam().host;
  const uint64_t guest_page_ = GetParam().guest;
};

INSTANTIATE_TEST_SUITE_P(
    HostAndGuest, PagesTest,
    testing::Values(Pages{4096, 4096}, Pages{4096, 16384}, Pages{4096, 65536},
                    Pages{16384, 16384}, Pages{16384, 65536},
                    Pages{65536, 65536}),
    [](const testing::TestParamInfo<Pages>& pages) {
      return "Host" + std::to_string(pages.param.host / 1024) + "KGuest" +
             std::to_string(pages.param.guest / 1024) + "K";
    });

TEST_P(PagesTest, ABlobIsWholePagesOfTheGuest) {
  uint64_t iova = kIova;
  for (const uint64_t size : {uint64_t{1}, uint64_t{4096}, uint64_t{5000},
                              guest_page_ - 1, guest_page_, guest_page_ + 1}) {
    const absl::StatusOr<uint32_t> buffer = guest_->NewBuffer(size, iova);
    ASSERT_TRUE(buffer.ok()) << size << ": " << buffer.status();
    const uint64_t blob_size = guest_->blob(*buffer).size();
    EXPECT_EQ(blob_size, *CheckedAlignUp(size, guest_page_));
    // All of it can be touched, from either end.
    const Mapping mapping = guest_->Map(*buffer);
    mapping.data()[0] = 1;
    mapping.data()[blob_size - 1] = 2;
    iova += blob_size;
  }
  EXPECT_EQ(guest_->async_error(), 0u);
}

TEST_P(PagesTest, AGrownBufferKeepsItsAddressAndFlags) {
  ASSERT_TRUE(guest_->NewBuffer(100, kIova + guest_page_, MSM_BO_CACHED).ok());
  EXPECT_EQ(device_.handles(), 1u);
  EXPECT_EQ(device_.iova(1), kIova + guest_page_);
  EXPECT_EQ(device_.flags(1), MSM_BO_CACHED);
  EXPECT_EQ(counters().object_bytes.value(), guest_page_);
}

// Of a file with an object that the GPU works on, others are not closed at once
// either.
TEST_P(PagesTest, ABufferGrowsBesideABusyOneThatWasClosed) {
  const uint32_t busy = *guest_->NewBuffer(1, kIova + guest_page_);
  ASSERT_TRUE(
      guest_->Submit({.bos = {{MSM_SUBMIT_BO_WRITE, busy, 0}}, .cmds = {}})
          .ok());
  guest_->CloseBuffer(busy);
  const absl::StatusOr<uint32_t> buffer = guest_->NewBuffer(1, kIova);
  EXPECT_TRUE(buffer.ok()) << buffer.status();
  EXPECT_EQ(guest_->async_error(), 0u);
  device_.FinishAll();
}

TEST_P(PagesTest, NeighboursOnTheGpuDoNotOverlap) {
  for (uint64_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(guest_->NewBuffer(1, kIova + i * guest_page_).ok()) << i;
  }
  EXPECT_EQ(guest_->async_error(), 0u);
}

TEST_P(PagesTest, UploadsReachTheLastByte) {
  const uint32_t buffer = *guest_->NewBuffer(3 * guest_page_ - 5, kIova);
  std::vector<uint8_t> data(12);
  std::iota(data.begin(), data.end(), 1);
  const auto end = static_cast<uint32_t>(3 * guest_page_);
  guest_->batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, end - 12, 12}, data);
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(guest_->Map(buffer).data()[end - 1], 12);
  guest_->batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, end - 8, 12}, data);
  EXPECT_FALSE(guest_->Flush().ok());
}

// The size in GEM_NEW does not decide what the guest gets to see.
TEST_P(PagesTest, ABlobOfNoSuchSizeIsRefused) {
  for (const uint64_t size :
       {2 * kLargestPageSize, kLargestPageSize + host_, uint64_t{1} << 40}) {
    guest_->batch().Add(MSM_CCMD_GEM_NEW,
                        {Low(kIova), High(kIova), 1, 0, MSM_BO_WC, 7});
    ASSERT_TRUE(guest_->Flush().ok());
    EXPECT_EQ(guest_->context()
                  .CreateBlob({.resource_id = 9,
                               .blob_id = 7,
                               .size = size,
                               .mappable = true})
                  .status()
                  .code(),
              absl::StatusCode::kInvalidArgument)
        << size;
    EXPECT_EQ(device_.handles(), 0u);
  }
}

// What a guest with smaller pages than the host's runs into, if not before.
TEST_P(PagesTest, AddressesAreMultiplesOfTheHostsPage) {
  if (host_ == kSmallestPageSize) return;
  EXPECT_FALSE(guest_->NewBuffer(host_, kIova + kSmallestPageSize).ok());
  EXPECT_EQ(guest_->async_error(), 1u);
}

}  // namespace
}  // namespace nacre::msm
