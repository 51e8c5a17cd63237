#include "devices/virtio_gpu/fence_timelines.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

constexpr TimelineId kA = {1, 0};
constexpr TimelineId kB = {1, 1};

class FenceTimelinesTest : public testing::Test {
 protected:
  using Timelines = FenceTimelines<std::unique_ptr<int>>;

  Timelines::Token AddPending(const TimelineId& timeline, int id) {
    return timelines_.AddPending(timeline, std::make_unique<int>(id));
  }
  // What completed at once, or -1.
  int AddSignalled(const TimelineId& timeline, int id) {
    const auto complete =
        timelines_.AddSignalled(timeline, std::make_unique<int>(id));
    return complete ? **complete : -1;
  }
  std::vector<int> Signal(Timelines::Token token) {
    std::vector<int> completed;
    const auto timeline = timelines_.Signal(token);
    if (!timeline) return completed;
    while (const auto id = timelines_.TakeCompleted(*timeline)) {
      completed.push_back(**id);
    }
    return completed;
  }

  Timelines timelines_;
};

using Ids = std::vector<int>;

TEST_F(FenceTimelinesTest, AFenceWithNothingToWaitForIsCompleteAtOnce) {
  EXPECT_EQ(AddSignalled(kA, 1), 1);
  EXPECT_EQ(timelines_.pending(), 0u);
}

TEST_F(FenceTimelinesTest, APendingFenceCompletesWhenSignalled) {
  const auto token = AddPending(kA, 1);
  EXPECT_EQ(timelines_.pending(), 1u);
  EXPECT_EQ(Signal(token), Ids({1}));
  EXPECT_EQ(timelines_.pending(), 0u);
}

// Two fences behind one submit: the second has nothing of its own to wait for.
TEST_F(FenceTimelinesTest, ASignalledFenceWaitsForEarlierOnes) {
  const auto token = AddPending(kA, 1);
  EXPECT_EQ(AddSignalled(kA, 2), -1);
  EXPECT_EQ(Signal(token), Ids({1, 2}));
}

TEST_F(FenceTimelinesTest, ALaterSignalCompletesNothingBeforeTheEarlierOne) {
  const auto first = AddPending(kA, 1);
  const auto second = AddPending(kA, 2);
  const auto third = AddPending(kA, 3);
  EXPECT_EQ(Signal(second), Ids());
  EXPECT_EQ(Signal(first), Ids({1, 2}));
  EXPECT_EQ(Signal(third), Ids({3}));
}

TEST_F(FenceTimelinesTest, TimelinesDoNotWaitForEachOther) {
  const auto a = AddPending(kA, 1);
  EXPECT_EQ(AddSignalled(kB, 2), 2);
  const auto b = AddPending(kB, 3);
  EXPECT_EQ(Signal(b), Ids({3}));
  EXPECT_EQ(Signal(a), Ids({1}));
}

// A context's id comes back at once in Linux; its old fences may stay forever.
TEST_F(FenceTimelinesTest, ANewOwnerWaitsForNothingOfTheOneBefore) {
  const auto old = AddPending({1, 5}, 1);
  EXPECT_EQ(AddSignalled({2, 5}, 2), 2);
  EXPECT_EQ(Signal(old), Ids({1}));
}

TEST_F(FenceTimelinesTest, TokensAreGoodForOneSignalOnly) {
  const auto first = AddPending(kA, 1);
  EXPECT_EQ(Signal(first), Ids({1}));
  // Takes the same slot.
  const auto second = AddPending(kA, 2);
  EXPECT_EQ(Signal(first), Ids());
  EXPECT_EQ(Signal(12345), Ids());
  EXPECT_EQ(Signal(second), Ids({2}));
}

TEST_F(FenceTimelinesTest, SignallingTwiceBeforeCompletionIsIgnored) {
  const auto first = AddPending(kA, 1);
  const auto second = AddPending(kA, 2);
  EXPECT_EQ(Signal(second), Ids());
  EXPECT_EQ(Signal(second), Ids());
  EXPECT_EQ(Signal(first), Ids({1, 2}));
}

TEST_F(FenceTimelinesTest, ClearDropsEverythingAndLateSignalsAreIgnored) {
  const auto first = AddPending(kA, 1);
  AddPending(kA, 2);
  AddPending(kB, 3);
  Ids dropped;
  timelines_.Clear([&](std::unique_ptr<int> id) { dropped.push_back(*id); });
  std::sort(dropped.begin(), dropped.end());
  EXPECT_EQ(dropped, Ids({1, 2, 3}));
  EXPECT_EQ(timelines_.pending(), 0u);
  EXPECT_EQ(Signal(first), Ids());
  EXPECT_EQ(AddSignalled(kA, 4), 4);
}

// Against the obvious model, with signals in any order.
TEST_F(FenceTimelinesTest, RandomOrdersCompleteEachOnceAndInOrder) {
  std::mt19937 random(1);
  std::vector<Timelines::Token> unsignalled;
  std::map<uint32_t, Ids> added;
  std::map<uint32_t, Ids> completed;
  const auto ring_of = [](int id) { return static_cast<uint32_t>(id % 5); };
  int next = 0;
  const auto complete = [&](const Ids& ids) {
    for (const int id : ids) completed[ring_of(id)].push_back(id);
  };
  for (int step = 0; step < 20000; ++step) {
    const uint32_t choice = random() % 4;
    if (choice == 0) {
      const int id = next++;
      added[ring_of(id)].push_back(id);
      if (AddSignalled({1, ring_of(id)}, id) == id) complete({id});
    } else if (choice == 1) {
      const int id = next++;
      added[ring_of(id)].push_back(id);
      unsignalled.push_back(AddPending({1, ring_of(id)}, id));
    } else if (!unsignalled.empty()) {
      std::swap(unsignalled[random() % unsignalled.size()], unsignalled.back());
      complete(Signal(unsignalled.back()));
      unsignalled.pop_back();
    }
  }
  for (const auto token : unsignalled) complete(Signal(token));
  EXPECT_EQ(completed, added);
  EXPECT_EQ(timelines_.pending(), 0u);
}

}  // namespace
}  // namespace nacre::virtio_gpu
