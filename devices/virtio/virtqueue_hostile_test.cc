// Drivers that break the rules of virtio 1.x, 2.7. Whatever they do, the device
// gets an error and goes on living.

#include <array>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/virtqueue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::virtio {
namespace {

using ::testing::HasSubstr;

constexpr uint16_t kSize = 16;
constexpr uint64_t kRamEnd = GuestRam::kBase + GuestRam::kDefaultSize;
constexpr uint64_t kWrapping = std::numeric_limits<uint64_t>::max() - 7;
static_assert(kWrapping + 16 < kWrapping);

class HostileDriverTest : public ::testing::Test {
 protected:
  explicit HostileDriverTest(bool indirect = true)
      : driver_(&ram_, {.size = kSize, .indirect = indirect}),
        device_(*Virtqueue::Create(&ram_.memory(), driver_.layout())),
        buffer_(ram_.Allocate(4096)) {}

  absl::Status PopError() {
    absl::StatusOr<std::optional<DescriptorChain>> chain = device_.Pop();
    if (!chain.ok()) return chain.status();
    if (chain->has_value()) (**std::move(chain)).Abandon();
    return absl::OkStatus();
  }
  void ExpectBroken(const char* why) {
    const absl::Status status = PopError();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
  }
  // Makes a chain of one indirect table available.
  template <size_t kCount>
  void SubmitTable(const std::array<Descriptor, kCount>& table) {
    driver_.WriteDescriptor(
        0, {ram_.Store(AsBytes(table)), sizeof(table), kDescriptorIndirect, 0});
    driver_.SubmitHead(0);
  }

  GuestRam ram_;
  FakeQueue driver_;
  Virtqueue device_;
  uint64_t buffer_;
};

TEST_F(HostileDriverTest, AvailableIndexThatJumpsBeyondTheQueue) {
  driver_.WriteAvailableIndex(kSize + 1);
  ExpectBroken("available index");
}

TEST_F(HostileDriverTest, AvailableIndexThatGoesBack) {
  driver_.Chain().Range(buffer_, 1, false).Submit();
  device_.Complete(*std::move(*device_.Pop()));
  driver_.WriteAvailableIndex(0);
  ExpectBroken("available index");
}

// Else a driver could have the device keep any number of unanswered requests.
TEST_F(HostileDriverTest, MoreRequestsOutThanTheQueueHasSlots) {
  std::vector<DescriptorChain> kept;
  driver_.WriteDescriptor(0, {buffer_, 1, 0, 0});
  for (int i = 0; i < kSize; ++i) {
    driver_.SubmitHead(0);
    kept.push_back(*std::move(*device_.Pop()));
  }
  driver_.SubmitHead(0);
  ExpectBroken("available index");
  for (DescriptorChain& chain : kept) std::move(chain).Abandon();
}

TEST_F(HostileDriverTest, HeadOutOfRange) {
  driver_.SubmitHead(kSize);
  ExpectBroken("descriptor 16 in a table of 16");
}

TEST_F(HostileDriverTest, NextOutOfRange) {
  driver_.WriteDescriptor(0, {buffer_, 1, kDescriptorNext, 0xffff});
  driver_.SubmitHead(0);
  ExpectBroken("descriptor 65535");
}

TEST_F(HostileDriverTest, DescriptorThatPointsAtItself) {
  driver_.WriteDescriptor(3, {buffer_, 1, kDescriptorNext, 3});
  driver_.SubmitHead(3);
  ExpectBroken("loop");
}

TEST_F(HostileDriverTest, LoopOfTheWholeTable) {
  for (uint16_t i = 0; i < kSize; ++i) {
    driver_.WriteDescriptor(i, {buffer_, 1, kDescriptorNext,
                                static_cast<uint16_t>((i + 1) % kSize)});
  }
  driver_.SubmitHead(0);
  ExpectBroken("loop");
}

TEST_F(HostileDriverTest, LoopOfEmptyDescriptors) {
  driver_.WriteDescriptor(0, {0, 0, kDescriptorNext, 1});
  driver_.WriteDescriptor(1, {0, 0, kDescriptorNext, 0});
  driver_.SubmitHead(0);
  ExpectBroken("loop");
}

TEST_F(HostileDriverTest, LoopInAnIndirectTable) {
  SubmitTable(
      std::array<Descriptor, 2>{Descriptor{buffer_, 1, kDescriptorNext, 1},
                                Descriptor{buffer_, 1, kDescriptorNext, 0}});
  ExpectBroken("loop");
}

TEST_F(HostileDriverTest, NextBeyondAnIndirectTable) {
  SubmitTable(
      std::array<Descriptor, 1>{Descriptor{buffer_, 1, kDescriptorNext, 1}});
  ExpectBroken("descriptor 1 in a table of 1");
}

TEST_F(HostileDriverTest, IndirectWithinIndirect) {
  SubmitTable(std::array<Descriptor, 1>{
      Descriptor{buffer_, 16, kDescriptorIndirect, 0}});
  ExpectBroken("indirect within indirect");
}

TEST_F(HostileDriverTest, IndirectWithNext) {
  driver_.WriteDescriptor(
      0, {buffer_, 16, kDescriptorIndirect | kDescriptorNext, 1});
  driver_.SubmitHead(0);
  ExpectBroken("both INDIRECT and NEXT");
}

TEST_F(HostileDriverTest, IndirectTableOfAWrongSize) {
  for (const uint32_t size :
       {0u, 1u, 15u, 17u, (kMaxIndirectDescriptors + 1) * 16, 0xfffffff0u}) {
    driver_.WriteDescriptor(0, {buffer_, size, kDescriptorIndirect, 0});
    driver_.WriteAvailableEntry(0, 0);
    driver_.WriteAvailableIndex(1);
    ExpectBroken("indirect table of");
  }
}

TEST_F(HostileDriverTest, IndirectTableOutsideRam) {
  for (const uint64_t address : {uint64_t{0}, kRamEnd - 8, kWrapping}) {
    driver_.WriteDescriptor(0, {address, 16, kDescriptorIndirect, 0});
    driver_.WriteAvailableEntry(0, 0);
    driver_.WriteAvailableIndex(1);
    ExpectBroken("indirect table");
  }
}

class DirectOnlyTest : public HostileDriverTest {
 protected:
  DirectOnlyTest() : HostileDriverTest(/*indirect=*/false) {}
};

TEST_F(DirectOnlyTest, IndirectThatWasNotNegotiated) {
  driver_.WriteDescriptor(0, {buffer_, 16, kDescriptorIndirect, 0});
  driver_.SubmitHead(0);
  ExpectBroken("not negotiated");
}

// virtio 2.7.4.2
TEST_F(HostileDriverTest, ReadableAfterWritable) {
  for (const bool indirect : {false, true}) {
    driver_.Chain()
        .Range(buffer_, 1, true)
        .Range(buffer_, 1, false)
        .Indirect(indirect)
        .Submit();
    ExpectBroken("readable descriptor after a writable");
  }
}

TEST_F(HostileDriverTest, BuffersOutsideRam) {
  const std::vector<Descriptor> bad = {{0, 1, 0, 0},
                                       {kRamEnd, 1, 0, 0},
                                       {kRamEnd - 1, 2, 0, 0},
                                       {kWrapping, 16, 0, 0},
                                       {buffer_, 0xffffffff, 0, 0},
                                       {kRamEnd - 1, 2, kDescriptorWrite, 0}};
  for (const Descriptor& descriptor : bad) {
    driver_.WriteDescriptor(0, descriptor);
    driver_.WriteAvailableEntry(0, 0);
    driver_.WriteAvailableIndex(1);
    ExpectBroken("not in RAM");
  }
}

// virtio 2.7.5: no chain of more than 2^32 bytes; here 70 times all of RAM.
TEST_F(HostileDriverTest, ChainOfMoreBytesThanALengthCanCount) {
  std::array<Descriptor, 70> table;
  for (size_t i = 0; i < table.size(); ++i) {
    table[i] = {GuestRam::kBase, GuestRam::kDefaultSize,
                kDescriptorWrite | kDescriptorNext,
                static_cast<uint16_t>(i + 1)};
  }
  table.back().flags = kDescriptorWrite;
  static_assert(70 * GuestRam::kDefaultSize > kMaxChainBytes);
  SubmitTable(table);
  ExpectBroken("2^32");
}

TEST_F(HostileDriverTest, DescriptorsOverTheRingsThemselves) {
  driver_.Chain()
      .Range(driver_.layout().descriptor_table, 64, false)
      .Range(driver_.layout().used_ring, 64, true)
      .Submit();
  DescriptorChain chain = *std::move(*device_.Pop());
  EXPECT_TRUE(chain.Write(std::vector<uint8_t>(64, 0xff)).ok());
  device_.Complete(std::move(chain));
  EXPECT_TRUE(PopError().ok());
}

// The descriptors are ours once popped: what the driver makes of them later is
// too late.
TEST_F(HostileDriverTest, RewritingAPoppedChain) {
  const uint16_t head = driver_.Chain().Range(buffer_, 8, true).Submit();
  DescriptorChain chain = *std::move(*device_.Pop());
  driver_.WriteDescriptor(head, {0, 0xffffffff, 0, 0});
  EXPECT_TRUE(chain.Write(std::vector<uint8_t>(8)).ok());
  device_.Complete(std::move(chain));
}

TEST_F(HostileDriverTest, BrokenRingStaysBrokenUntilItIsMended) {
  driver_.SubmitHead(kSize);
  ExpectBroken("descriptor 16");
  ExpectBroken("descriptor 16");
}

class LayoutTest : public ::testing::Test {
 protected:
  void ExpectRefused(const QueueLayout& layout) {
    EXPECT_EQ(Virtqueue::Create(&ram_.memory(), layout).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  GuestRam ram_;
  QueueLayout good_ = FakeQueue(&ram_, {.size = kSize}).layout();
};

TEST_F(LayoutTest, AcceptsAGoodOne) {
  EXPECT_TRUE(Virtqueue::Create(&ram_.memory(), good_).ok());
}

// virtio 2.7: a power of two up to 32768.
TEST_F(LayoutTest, RefusesSizesThatAreNoPowerOfTwo) {
  for (const uint16_t size : {0, 3, 17, 0xffff, 0x8001}) {
    QueueLayout layout = good_;
    layout.size = size;
    ExpectRefused(layout);
  }
}

// virtio 2.7: 16, 2 and 4 bytes.
TEST_F(LayoutTest, RefusesMisalignedParts) {
  for (auto part : {&QueueLayout::descriptor_table,
                    &QueueLayout::available_ring, &QueueLayout::used_ring}) {
    QueueLayout layout = good_;
    layout.*part += 1;
    ExpectRefused(layout);
  }
  QueueLayout layout = good_;
  layout.descriptor_table += 8;
  ExpectRefused(layout);
  layout = good_;
  layout.used_ring += 2;
  ExpectRefused(layout);
}

TEST_F(LayoutTest, RefusesPartsOutsideRam) {
  for (const uint64_t address :
       {uint64_t{0}, kRamEnd, kRamEnd - 16, ~uint64_t{0} - 15}) {
    for (auto part : {&QueueLayout::descriptor_table,
                      &QueueLayout::available_ring, &QueueLayout::used_ring}) {
      QueueLayout layout = good_;
      layout.*part = address;
      ExpectRefused(layout);
    }
  }
}

}  // namespace
}  // namespace nacre::virtio
