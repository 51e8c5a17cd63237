#include "base/shrink.h"

#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "base/testing/allocations.h"
#include "gtest/gtest.h"

namespace nacre {
namespace {

constexpr int kMany = 10000;

void Add(absl::flat_hash_set<int>& set, int i) { set.insert(i); }
void Remove(absl::flat_hash_set<int>& set, int i) { set.erase(i); }
template <typename Vector>
void Add(Vector& vector, int i) {
  vector.push_back(i);
}
template <typename Vector>
void Remove(Vector& vector, int) {
  vector.pop_back();
}

template <typename Container>
class ShrinkTest : public testing::Test {
 protected:
  void Grow(int size) {
    for (int i = static_cast<int>(container_.size()); i < size; ++i) {
      Add(container_, i);
    }
  }
  void ShrinkTo(int size) {
    for (int i = static_cast<int>(container_.size()); i > size; --i) {
      Remove(container_, i - 1);
      ShrinkIfSparse(container_);
    }
  }

  Container container_;
};

using Containers = testing::Types<absl::flat_hash_set<int>, std::vector<int>,
                                  absl::InlinedVector<int, 2>>;
TYPED_TEST_SUITE(ShrinkTest, Containers);

TYPED_TEST(ShrinkTest, RoomFollowsWhatIsThere) {
  this->Grow(kMany);
  for (const int size : {kMany / 10, 100, 1, 0}) {
    this->ShrinkTo(size);
    EXPECT_EQ(this->container_.size(), static_cast<size_t>(size));
    EXPECT_LE(this->container_.capacity(), static_cast<size_t>(8 * size + 16));
  }
  this->Grow(kMany);
  EXPECT_EQ(this->container_.size(), static_cast<size_t>(kMany));
}

TYPED_TEST(ShrinkTest, ComingAndGoingAllocatesNothing) {
  for (const int size : {1, 16, 17, 100, kMany}) {
    this->Grow(size);
    this->ShrinkTo(size - 1);
    this->Grow(size);
    const int64_t before = Allocations();
    for (int i = 0; i < 100; ++i) {
      this->ShrinkTo(size - 1);
      this->Grow(size);
    }
    // A hash table may tidy up.
    EXPECT_LE(Allocations() - before, 2) << size;
  }
}

}  // namespace
}  // namespace nacre
