#include "devices/virtio_gpu/parking.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

using Claims = std::vector<Claim>;

class ParkingTest : public testing::Test {
 protected:
  // What can be executed by now, in order, all of it left to Leave.
  std::vector<int> Ready() {
    std::vector<int> ready;
    while (parking_.ready()) ready.push_back(parking_.TakeReady());
    return ready;
  }

  Parking<int> parking_;
};

TEST_F(ParkingTest, NobodyWaitsForNobody) {
  EXPECT_TRUE(parking_.empty());
  EXPECT_FALSE(parking_.MustWait(Claims{Claim::Everything()}));
}

TEST_F(ParkingTest, OneWaitsForAnotherOfTheSameClaimOnly) {
  parking_.Enter(Claims{Claim::Context(1), Claim::Resource(5)});
  EXPECT_TRUE(parking_.MustWait(Claims{Claim::Context(1)}));
  EXPECT_TRUE(parking_.MustWait(Claims{Claim::Scanout(0), Claim::Resource(5)}));
  EXPECT_FALSE(parking_.MustWait(Claims{Claim::Context(5)}));
  EXPECT_FALSE(parking_.MustWait(Claims{Claim::Resource(1)}));
  EXPECT_FALSE(parking_.MustWait(Claims{}));
  EXPECT_TRUE(parking_.MustWait(Claims{Claim::Everything()}));
}

TEST_F(ParkingTest, APairIsTheSameFromBothSidesAndNoOthers) {
  parking_.Enter(Claims{Claim::Context(1), Claim::Sharing(1, 2)});
  EXPECT_TRUE(
      parking_.MustWait(Claims{Claim::Context(2), Claim::Sharing(2, 1)}));
  EXPECT_FALSE(
      parking_.MustWait(Claims{Claim::Context(3), Claim::Sharing(3, 2)}));
}

// What has to do with too much is taken for everything, and so are its
// resources for what comes behind it.
TEST_F(ParkingTest, OneBehindEverythingForItsResourceIsSoToo) {
  parking_.Enter(Claims{Claim::Everything()});
  const auto second = parking_.Park(Claims{Claim::Resource(5)}, 2);
  const auto third = parking_.Park(Claims{Claim::Context(30)}, 3);
  parking_.Leave(1);
  EXPECT_EQ(Ready(), std::vector<int>({2}));
  parking_.Leave(second);
  EXPECT_EQ(Ready(), std::vector<int>({3}));
  parking_.Leave(third);
}

// A buffer made while its context is blocked, attached to another, drawn by the
// one and shown by the other.
TEST_F(ParkingTest, ThoseBehindAnAttachmentOfBothKeepTheirOrder) {
  const auto create =
      parking_.Enter(Claims{Claim::Context(1), Claim::Resource(5)});
  const auto attach =
      parking_.Park(Claims{Claim::Context(2), Claim::Resource(5)}, 2);
  const auto draw = parking_.Park(Claims{Claim::Context(1)}, 3);
  parking_.Park(Claims{Claim::Context(2)}, 4);
  parking_.Leave(create);
  EXPECT_EQ(Ready(), std::vector<int>({2}));
  parking_.Leave(attach);
  EXPECT_EQ(Ready(), std::vector<int>({3}));
  parking_.Leave(draw);
  EXPECT_EQ(Ready(), std::vector<int>({4}));
}

TEST_F(ParkingTest, ThoseOfOneClaimComeOutOneByOneInOrder) {
  const auto first = parking_.Enter(Claims{Claim::Context(1)});
  const auto second = parking_.Park(Claims{Claim::Context(1)}, 2);
  const auto third = parking_.Park(Claims{Claim::Context(1)}, 3);
  EXPECT_EQ(parking_.parked(), 2u);
  EXPECT_EQ(Ready(), std::vector<int>());
  parking_.Leave(first);
  EXPECT_EQ(Ready(), std::vector<int>({2}));
  // It is being executed: still in the way.
  EXPECT_TRUE(parking_.MustWait(Claims{Claim::Context(1)}));
  parking_.Leave(second);
  EXPECT_EQ(Ready(), std::vector<int>({3}));
  parking_.Leave(third);
  EXPECT_TRUE(parking_.empty());
  EXPECT_EQ(parking_.parked(), 0u);
}

TEST_F(ParkingTest, OneWaitsForAllThatItHasToDoWith) {
  const auto first = parking_.Enter(Claims{Claim::Context(1)});
  const auto second = parking_.Enter(Claims{Claim::Context(2)});
  parking_.Park(Claims{Claim::Context(1), Claim::Context(2)}, 3);
  parking_.Leave(second);
  EXPECT_EQ(Ready(), std::vector<int>());
  parking_.Leave(first);
  EXPECT_EQ(Ready(), std::vector<int>({3}));
}

// A resource's end behind a command of a context that is in the way: what comes
// after it for the resource must wait, though the context's call is no concern
// of its own.
TEST_F(ParkingTest, OneWaitsForAnotherThatWaits) {
  const auto first = parking_.Enter(Claims{Claim::Context(1)});
  parking_.Park(Claims{Claim::Context(1), Claim::Resource(5)}, 2);
  EXPECT_TRUE(parking_.MustWait(Claims{Claim::Resource(5)}));
  parking_.Park(Claims{Claim::Resource(5)}, 3);
  parking_.Leave(first);
  EXPECT_EQ(Ready(), std::vector<int>({2}));
}

// The second finds a resource that the first will have made in context 1: it
// calls into it then.
TEST_F(ParkingTest, OneThatNamesAnothersResourceTakesOverItsContexts) {
  const auto call = parking_.Enter(Claims{Claim::Context(1)});
  const auto create =
      parking_.Park(Claims{Claim::Context(1), Claim::Resource(5)}, 2);
  const auto map = parking_.Park(Claims{Claim::Resource(5)}, 3);
  parking_.Leave(call);
  EXPECT_EQ(Ready(), std::vector<int>({2}));
  parking_.Leave(create);
  EXPECT_EQ(Ready(), std::vector<int>({3}));
  EXPECT_TRUE(parking_.MustWait(Claims{Claim::Context(1)}));
  parking_.Leave(map);
  EXPECT_FALSE(parking_.MustWait(Claims{Claim::Context(1)}));
}

// Linux gives a place in the window out again when it has sent the unmap.
TEST_F(ParkingTest, AMapWaitsForAnEarlierUnmapOfThePlaceAndNothingElseDoes) {
  parking_.Enter(Claims{Claim::Unmap(100, 199), Claim::Map(300, 399)});
  EXPECT_TRUE(parking_.MustWait(Claims{Claim::Map(0, 100)}));
  EXPECT_TRUE(parking_.MustWait(Claims{Claim::Map(199, 500)}));
  EXPECT_FALSE(parking_.MustWait(Claims{Claim::Map(200, 299)}));
  EXPECT_FALSE(parking_.MustWait(Claims{Claim::Map(300, 399)}));
  EXPECT_FALSE(parking_.MustWait(Claims{Claim::Unmap(100, 199)}));
  EXPECT_FALSE(parking_.MustWait(Claims{Claim::Unmap(300, 399)}));
}

// One that unmaps or ends what an earlier one is still to map.
TEST_F(ParkingTest, OneBehindAMapOfItsResourceGivesThePlaceBack) {
  parking_.Enter(Claims{Claim::Resource(5)});
  parking_.Park(Claims{Claim::Resource(5), Claim::Map(100, 199)}, 2);
  EXPECT_FALSE(parking_.MustWait(Claims{Claim::Map(100, 199)}));
  parking_.Park(Claims{Claim::Resource(5)}, 3);
  EXPECT_TRUE(parking_.MustWait(Claims{Claim::Map(100, 199)}));
  EXPECT_FALSE(parking_.MustWait(Claims{Claim::Map(200, 299)}));
}

TEST_F(ParkingTest, TooManyClaimsAreForEverything) {
  Claims claims;
  for (uint32_t id = 0; id <= Parking<int>::kMaxClaims; ++id) {
    claims.push_back(Claim::Context(id));
  }
  EXPECT_FALSE(parking_.MustWait(claims));
  const auto first = parking_.Enter(claims);
  EXPECT_TRUE(parking_.MustWait(Claims{Claim::Scanout(3)}));
  EXPECT_TRUE(parking_.MustWait(claims));
  parking_.Leave(first);
  parking_.Enter(Claims{Claim::Scanout(3)});
  EXPECT_TRUE(parking_.MustWait(claims));
}

TEST_F(ParkingTest, ForgetsAll) {
  const auto first = parking_.Enter(Claims{Claim::Context(1)});
  parking_.Park(Claims{Claim::Context(1)}, 2);
  parking_.Park(Claims{Claim::Context(1)}, 3);
  parking_.Leave(first);
  int dropped = 0;
  parking_.Clear([&dropped](int) { ++dropped; });
  EXPECT_EQ(dropped, 2);
  EXPECT_TRUE(parking_.empty());
}

}  // namespace
}  // namespace nacre::virtio_gpu
