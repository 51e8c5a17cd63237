#include "base/quota.h"

#include <optional>
#include <utility>

#include "gtest/gtest.h"

namespace nacre {
namespace {

TEST(QuotaTest, GivesAsManyAsTheLimitAndEachAgainOnceItIsBack) {
  Quota quota(2);
  std::optional<Quota::Share> first = quota.Take();
  const std::optional<Quota::Share> second = quota.Take();
  EXPECT_TRUE(first && second);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(quota.Take());
  first.reset();
  EXPECT_TRUE(quota.Take());
}

TEST(QuotaTest, AShareThatMovesIsOneShare) {
  Quota quota(1);
  std::optional<Quota::Share> share = quota.Take();
  Quota::Share other = *std::move(share);
  share.reset();
  EXPECT_FALSE(quota.Take());
  other = Quota::Share();
  EXPECT_TRUE(quota.Take());
}

TEST(QuotaTest, NoneIsALimitToo) { EXPECT_FALSE(Quota(0).Take()); }

}  // namespace
}  // namespace nacre
