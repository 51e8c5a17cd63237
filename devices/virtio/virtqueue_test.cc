#include "devices/virtio/virtqueue.h"

#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::virtio {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using Bytes = std::vector<uint8_t>;

Bytes Counting(size_t size) {
  Bytes bytes(size);
  std::iota(bytes.begin(), bytes.end(), uint8_t{1});
  return bytes;
}

// A device's queue and its driver's, over the same rings.
class VirtqueueTest : public ::testing::Test {
 protected:
  explicit VirtqueueTest(const FakeQueue::Options& options = {})
      : driver_(&ram_, options),
        device_(*Virtqueue::Create(&ram_.memory(), driver_.layout())) {}

  // The next request, which must be there.
  DescriptorChain Pop() {
    absl::StatusOr<std::optional<DescriptorChain>> chain = device_.Pop();
    EXPECT_TRUE(chain.ok()) << chain.status();
    return **std::move(chain);
  }
  bool Empty() {
    absl::StatusOr<std::optional<DescriptorChain>> chain = device_.Pop();
    EXPECT_TRUE(chain.ok()) << chain.status();
    return !chain->has_value();
  }
  static Bytes ReadAll(DescriptorChain& chain) {
    Bytes bytes(chain.readable_size() - chain.bytes_read());
    EXPECT_TRUE(chain.Read(bytes).ok());
    return bytes;
  }
  void Complete(DescriptorChain chain) { device_.Complete(std::move(chain)); }

  GuestRam ram_;
  FakeQueue driver_;
  Virtqueue device_;
};

TEST_F(VirtqueueTest, IsEmptyAtFirst) {
  EXPECT_TRUE(Empty());
  EXPECT_EQ(device_.in_flight(), 0);
}

TEST_F(VirtqueueTest, CarriesARequestAndItsAnswer) {
  const uint16_t head =
      driver_.Chain().Readable(Counting(24)).Writable(24).Submit();
  DescriptorChain chain = Pop();
  EXPECT_EQ(chain.readable_size(), 24u);
  EXPECT_EQ(chain.writable_size(), 24u);
  EXPECT_THAT(ReadAll(chain), ElementsAreArray(Counting(24)));
  ASSERT_TRUE(chain.Write(Bytes{7, 8, 9}).ok());
  Complete(std::move(chain));
  const std::optional<UsedChain> used = driver_.PopUsed();
  ASSERT_TRUE(used.has_value());
  EXPECT_EQ(used->head, head);
  EXPECT_EQ(used->written, 3u);
  EXPECT_THAT(used->response, ElementsAre(7, 8, 9));
}

// virtio 2.7.4: framing carries no meaning.
TEST_F(VirtqueueTest, ReadsAStreamHoweverItIsCut) {
  for (const bool indirect : {false, true}) {
    driver_.Chain()
        .ReadableCut(Counting(100), {1, 2, 37, 99})
        .Indirect(indirect)
        .Submit();
    DescriptorChain chain = Pop();
    Bytes first(50);
    ASSERT_TRUE(chain.Read(first).ok());
    Bytes bytes = first;
    const Bytes second = ReadAll(chain);
    bytes.insert(bytes.end(), second.begin(), second.end());
    EXPECT_THAT(bytes, ElementsAreArray(Counting(100)));
    Complete(std::move(chain));
  }
}

TEST_F(VirtqueueTest, WritesAStreamHoweverItIsCut) {
  driver_.Chain()
      .Readable(Counting(1))
      .Writable(3)
      .Writable(1)
      .Writable(6)
      .Submit();
  DescriptorChain chain = Pop();
  EXPECT_EQ(chain.writable_size(), 10u);
  ASSERT_TRUE(chain.Write(Bytes{1, 2}).ok());
  ASSERT_TRUE(chain.Write(Bytes{3, 4, 5, 6, 7, 8}).ok());
  Complete(std::move(chain));
  EXPECT_THAT(driver_.PopUsed()->response, ElementsAreArray(Counting(8)));
}

TEST_F(VirtqueueTest, RefusesToReadPastTheRequestAndConsumesNothing) {
  driver_.Chain().Readable(Counting(8)).Submit();
  DescriptorChain chain = Pop();
  std::array<uint8_t, 9> nine;
  EXPECT_EQ(chain.Read(nine).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(chain.bytes_read(), 0u);
  EXPECT_THAT(ReadAll(chain), ElementsAreArray(Counting(8)));
  Complete(std::move(chain));
}

TEST_F(VirtqueueTest, RefusesToWritePastTheRoomAndWritesNothing) {
  driver_.Chain().Readable(Counting(1)).Writable(8).Submit();
  DescriptorChain chain = Pop();
  EXPECT_EQ(chain.Write(Counting(9)).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(chain.bytes_written(), 0u);
  Complete(std::move(chain));
  EXPECT_THAT(driver_.PopUsed()->response, IsEmpty());
}

TEST_F(VirtqueueTest, TakesChainsWithoutAReadableOrAWritablePart) {
  driver_.Chain().Readable(Counting(4)).Submit();
  driver_.Chain().Writable(4).Submit();
  DescriptorChain readable = Pop();
  EXPECT_EQ(readable.writable_size(), 0u);
  EXPECT_FALSE(readable.Write(Bytes{1}).ok());
  DescriptorChain writable = Pop();
  EXPECT_EQ(writable.readable_size(), 0u);
  EXPECT_TRUE(writable.Write(Counting(4)).ok());
  Complete(std::move(readable));
  Complete(std::move(writable));
}

TEST_F(VirtqueueTest, SkipsDescriptorsOfNoLength) {
  driver_.Chain()
      .Range(0, 0, false)
      .Readable(Counting(3))
      .Range(~uint64_t{0}, 0, false)
      .Readable(Counting(3))
      .Range(0, 0, true)
      .Writable(2)
      .Submit();
  DescriptorChain chain = Pop();
  EXPECT_THAT(ReadAll(chain), ElementsAre(1, 2, 3, 1, 2, 3));
  EXPECT_TRUE(chain.Write(Counting(2)).ok());
  Complete(std::move(chain));
}

TEST_F(VirtqueueTest, CompletesInAnyOrder) {
  const uint16_t first = driver_.Chain().Readable(Counting(1)).Submit();
  const uint16_t second = driver_.Chain().Readable(Counting(2)).Submit();
  DescriptorChain a = Pop();
  DescriptorChain b = Pop();
  EXPECT_EQ(device_.in_flight(), 2);
  Complete(std::move(b));
  Complete(std::move(a));
  EXPECT_EQ(driver_.PopUsed()->head, second);
  EXPECT_EQ(driver_.PopUsed()->head, first);
  EXPECT_EQ(device_.in_flight(), 0);
}

TEST_F(VirtqueueTest, GoesOnWhenTheIndexesWrap) {
  for (int i = 0; i < 70'000; ++i) {
    driver_.Chain().Readable(Counting(1)).Writable(1).Submit();
    DescriptorChain chain = Pop();
    Complete(std::move(chain));
    ASSERT_TRUE(driver_.PopUsed().has_value());
  }
  EXPECT_TRUE(Empty());
}

TEST_F(VirtqueueTest, HoldsAsManyRequestsAsTheRingHasSlots) {
  std::vector<DescriptorChain> chains;
  for (int i = 0; i < device_.size(); ++i) {
    driver_.Chain().Readable(Counting(1)).Writable(1).Submit();
    chains.push_back(Pop());
  }
  EXPECT_TRUE(Empty());
  for (DescriptorChain& chain : chains) Complete(std::move(chain));
}

// Linux puts command streams of more pages than the queue has entries into one
// indirect table, though 2.7.5.3.1 says otherwise.
TEST_F(VirtqueueTest, TakesIndirectTablesLongerThanTheQueue) {
  FakeQueue::ChainBuilder chain = driver_.Chain();
  for (int i = 0; i < device_.size() * 4; ++i) chain.Readable(Bytes{1, 2});
  chain.Submit();
  DescriptorChain popped = Pop();
  EXPECT_EQ(popped.readable_size(), uint64_t{device_.size()} * 8);
  Complete(std::move(popped));
}

// virtio 2.7.5.3.2: "a normal descriptor chain followed by a single descriptor
// with INDIRECT set" is the device's to handle.
TEST_F(VirtqueueTest, TakesDirectDescriptorsBeforeAnIndirectTable) {
  const std::array<Descriptor, 2> table = {
      Descriptor{ram_.Store(Counting(2)), 2, kDescriptorNext, 1},
      Descriptor{ram_.Allocate(4), 4, kDescriptorWrite, 0}};
  driver_.WriteDescriptor(0, {ram_.Store(Counting(3)), 3, kDescriptorNext, 1});
  driver_.WriteDescriptor(
      1, {ram_.Store(AsBytes(table)), sizeof(table), kDescriptorIndirect, 0});
  driver_.SubmitHead(0);
  DescriptorChain chain = Pop();
  EXPECT_THAT(ReadAll(chain), ElementsAre(1, 2, 3, 1, 2));
  EXPECT_EQ(chain.writable_size(), 4u);
  Complete(std::move(chain));
}

// virtio 2.7.5.3.2: "the device MUST ignore the write-only flag" of the
// descriptor that refers to an indirect table.
TEST_F(VirtqueueTest, IgnoresTheWriteFlagOfAnIndirectTable) {
  const Descriptor inner{ram_.Store(Counting(2)), 2, 0, 0};
  driver_.WriteDescriptor(0, {ram_.Store(AsBytes(inner)), sizeof(inner),
                              kDescriptorIndirect | kDescriptorWrite, 0});
  driver_.SubmitHead(0);
  DescriptorChain chain = Pop();
  EXPECT_THAT(ReadAll(chain), ElementsAre(1, 2));
  Complete(std::move(chain));
}

TEST_F(VirtqueueTest, MovesLeaveNothingBehind) {
  driver_.Chain().Readable(Counting(5)).Submit();
  DescriptorChain first = Pop();
  std::array<uint8_t, 2> two;
  ASSERT_TRUE(first.Read(two).ok());
  DescriptorChain second = std::move(first);
  EXPECT_THAT(ReadAll(second), ElementsAre(3, 4, 5));
  Complete(std::move(second));
}

using VirtqueueDeathTest = VirtqueueTest;

TEST_F(VirtqueueDeathTest, DroppingAChainIsABugOfOurs) {
  driver_.Chain().Readable(Counting(5)).Submit();
  EXPECT_DEATH({ DescriptorChain chain = Pop(); }, "not completed");
}

TEST_F(VirtqueueTest, AChainCanBeAbandonedForAReset) {
  driver_.Chain().Readable(Counting(5)).Submit();
  Pop().Abandon();
  EXPECT_EQ(driver_.used_index(), 0);
}

}  // namespace
}  // namespace nacre::virtio
