#include "simulator/address_space.h"

#include <cerrno>

#include "base/errno_status.h"
#include "simulator/cp_fixture.h"

namespace nacre::simulator {
namespace {

class AddressSpaceTest : public CpFixture {
 protected:
  std::shared_ptr<Buffer> NewBuffer(uint64_t size) {
    return pool_.Allocate(size, msm::MSM_BO_WC).value();
  }
};

TEST_F(AddressSpaceTest, TranslatesEveryByteOfABuffer) {
  for (const uint64_t offset : {uint64_t{0}, uint64_t{1}, kSize - 1}) {
    const auto found = space_->Translate(kIova + offset);
    ASSERT_TRUE(found.has_value()) << offset;
    EXPECT_EQ(found->buffer, buffer_);
    EXPECT_EQ(found->start, kIova);
  }
  EXPECT_FALSE(space_->Translate(kIova - 1).has_value());
  EXPECT_FALSE(space_->Translate(kIova + kSize).has_value());
}

// abi C.6 GET_IOVA.
TEST_F(AddressSpaceTest, AddressesAreGivenByBestFitAndStay) {
  // Holes: [window, kIova), and the large one behind the buffer.
  const std::shared_ptr<Buffer> small = NewBuffer(4096);
  EXPECT_EQ(space_->AddressOf(small).value(), kWindow);
  EXPECT_EQ(space_->AddressOf(small).value(), kWindow);
  const std::shared_ptr<Buffer> large = NewBuffer(0x20000);
  EXPECT_EQ(space_->AddressOf(large).value(), kIova + kSize);
}

TEST_F(AddressSpaceTest, AFullWindowIsEnospc) {
  auto tiny = std::make_shared<AddressSpace>(kWindow, 0x1000);
  const std::shared_ptr<Buffer> first = NewBuffer(0x1000);
  const std::shared_ptr<Buffer> second = NewBuffer(0x1000);
  ASSERT_TRUE(tiny->AddressOf(first).ok());
  EXPECT_EQ(StatusErrno(tiny->AddressOf(second).status()), ENOSPC);
}

TEST_F(AddressSpaceTest, ABufferThatGoesLeavesItsAddress) {
  const uint64_t generation = space_->generation();
  buffer_.reset();
  EXPECT_FALSE(space_->Translate(kIova).has_value());
  EXPECT_NE(space_->generation(), generation);
  EXPECT_TRUE(space_->Assign(NewBuffer(kSize), kIova).ok());
}

TEST_F(AddressSpaceTest, EachSpaceHasItsOwnAddresses) {
  auto other = std::make_shared<AddressSpace>(kWindow, kWindowSize);
  EXPECT_TRUE(other->Assign(buffer_, kUnmapped).ok());
  EXPECT_EQ(other->Translate(kUnmapped)->buffer, buffer_);
  EXPECT_FALSE(other->Translate(kIova).has_value());
  buffer_.reset();
  EXPECT_FALSE(other->Translate(kUnmapped).has_value());
}

TEST_F(AddressSpaceTest, ASpaceMayGoBeforeItsBuffers) {
  space_.reset();
  buffer_.reset();
}

}  // namespace
}  // namespace nacre::simulator
