#include "simulator/reservation.h"

#include "gtest/gtest.h"

namespace nacre::simulator {
namespace {

using Use = Reservation::Use;

std::shared_ptr<Fence> NewFence(uint64_t context) {
  return std::make_shared<Fence>(context);
}

TEST(ReservationTest, ReadersWaitForWritersOnly) {
  Reservation reservation;
  reservation.Add(NewFence(1), Use::kRead);
  EXPECT_FALSE(reservation.Busy(Use::kRead));
  EXPECT_TRUE(reservation.Busy(Use::kWrite));
  reservation.Add(NewFence(1), Use::kWrite);
  EXPECT_TRUE(reservation.Busy(Use::kRead));
}

TEST(ReservationTest, SignalledFencesDoNotCount) {
  Reservation reservation;
  const std::shared_ptr<Fence> fence = NewFence(1);
  reservation.Add(fence, Use::kWrite);
  fence->MarkSignalled();
  EXPECT_FALSE(reservation.Busy(Use::kRead));
  EXPECT_FALSE(reservation.Busy(Use::kWrite));
}

TEST(ReservationTest, ASubmissionDependsOnOtherContextsOnly) {
  Reservation reservation;
  const std::shared_ptr<Fence> other = NewFence(2);
  reservation.Add(NewFence(1), Use::kWrite);
  reservation.Add(other, Use::kWrite);
  FenceSet dependencies;
  reservation.AddDependencies(Use::kRead, 1, dependencies);
  EXPECT_EQ(dependencies, FenceSet{other});
}

TEST(ReservationTest, TheLatestFenceOfAContextReplacesTheEarlier) {
  Reservation reservation;
  const std::shared_ptr<Fence> first = NewFence(1);
  const std::shared_ptr<Fence> second = NewFence(1);
  reservation.Add(first, Use::kWrite);
  reservation.Add(second, Use::kWrite);
  EXPECT_EQ(first.use_count(), 1);
  EXPECT_EQ(second.use_count(), 2);
}

}  // namespace
}  // namespace nacre::simulator
