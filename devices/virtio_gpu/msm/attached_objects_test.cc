#include "devices/virtio_gpu/msm/attached_objects.h"

#include <map>
#include <memory>
#include <random>
#include <vector>

#include "base/page_size.h"
#include "devices/virtio_gpu/msm/busy_objects.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

class AttachedObjectsTest : public testing::Test {
 protected:
  std::shared_ptr<GemObject> NewObject() {
    return *file_->New(HostPageSize(), MSM_BO_WC, 0);
  }

  FakeDrmDevice device_;
  Counters counters_;
  BusyObjects busy_{counters_};
  std::shared_ptr<GemFile> file_ =
      std::make_shared<GemFile>(*device_.Open(), device_, busy_, counters_);
  AttachedObjects objects_;
};

TEST_F(AttachedObjectsTest, IsEmptyAtFirst) {
  EXPECT_EQ(objects_.size(), 0u);
  for (const uint32_t id : {0u, 1u, UINT32_MAX}) {
    EXPECT_EQ(objects_.FindHandle(id), 0u);
    EXPECT_EQ(objects_.Find(id), nullptr);
    EXPECT_EQ(objects_.Erase(id), nullptr);
  }
}

TEST_F(AttachedObjectsTest, AResourceIsThereOnce) {
  const auto first = NewObject();
  ASSERT_TRUE(objects_.Insert(7, first));
  EXPECT_FALSE(objects_.Insert(7, NewObject()));
  EXPECT_EQ(objects_.Find(7), first.get());
  EXPECT_EQ(objects_.FindHandle(7), first->handle());
}

// As a map, whatever comes and goes.
TEST_F(AttachedObjectsTest, KeepsWhatIsThere) {
  std::minstd_rand random(1);
  std::map<uint32_t, GemObject*> expected;
  for (int step = 0; step < 30'000; ++step) {
    // More and fewer, in waves; neighbours, and ids that differ in high bits.
    const bool growing = step / 5000 % 2 == 0;
    uint32_t id = random() % 1000;
    if (id % 3 == 0) id <<= 20;
    if (random() % 4 < (growing ? 3u : 1u)) {
      auto object = NewObject();
      GemObject* const raw = object.get();
      if (objects_.Insert(id, std::move(object))) {
        EXPECT_TRUE(expected.emplace(id, raw).second);
      }
    } else {
      const auto it = expected.find(id);
      const auto erased = objects_.Erase(id);
      ASSERT_EQ(erased.get(), it == expected.end() ? nullptr : it->second);
      if (it != expected.end()) expected.erase(it);
    }
    ASSERT_EQ(objects_.size(), expected.size());
    if (step % 1000 != 0) continue;
    for (uint32_t other = 0; other < 1000; ++other) {
      const auto it = expected.find(other);
      GemObject* const found = objects_.Find(other);
      ASSERT_EQ(found, it == expected.end() ? nullptr : it->second);
      ASSERT_EQ(objects_.FindHandle(other),
                found == nullptr ? 0 : found->handle());
    }
  }
}

}  // namespace
}  // namespace nacre::msm
