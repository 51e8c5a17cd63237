#include "tools/preload/changes.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "gtest/gtest.h"

namespace nacre::preload {
namespace {

constexpr Changes::Deadline kNever = Changes::Deadline::max();

TEST(ChangesTest, TriesOnceWhateverTheDeadline) {
  Changes changes;
  int tries = 0;
  EXPECT_TRUE(changes.WaitUntil(Changes::Deadline(), [&] {
    ++tries;
    return true;
  }));
  EXPECT_EQ(tries, 1);
  EXPECT_FALSE(changes.WaitUntil(Changes::Deadline(), [] { return false; }));
}

TEST(ChangesTest, AChangeEndsAWait) {
  Changes changes;
  std::atomic<bool> changed{false};
  std::thread waiter([&] {
    EXPECT_TRUE(changes.WaitUntil(kNever, [&] { return changed.load(); }));
  });
  changed.store(true);
  changes.Announce();
  waiter.join();
}

TEST(ChangesTest, WhomAChangeDoesNotConcernSleepsOn) {
  Changes changes;
  std::atomic<bool> changed{false};
  std::atomic<int> looks{0}, questions{0};
  std::thread waiter([&] {
    const auto look = [&] {
      looks.fetch_add(1);
      return changed.load();
    };
    const auto concerned = [&] {
      questions.fetch_add(1);
      return changed.load();
    };
    EXPECT_TRUE(changes.WaitUntil(kNever, look, concerned));
  });
  // Until it sleeps.
  while (questions.load() == 0) changes.Announce();
  const int before = looks.load();
  for (int i = 0; i < 100; ++i) changes.Announce();
  EXPECT_EQ(looks.load(), before);
  changed.store(true);
  changes.Announce();
  waiter.join();
}

}  // namespace
}  // namespace nacre::preload
