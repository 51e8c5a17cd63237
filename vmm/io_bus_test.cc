#include "vmm/io_bus.h"

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

using Bytes = std::vector<uint8_t>;

// Memory as a device; remembers where it was last accessed.
class FakeDevice : public IoDevice {
 public:
  explicit FakeDevice(uint8_t fill) : fill_(fill) {}
  void Read(uint64_t offset, std::span<uint8_t> data) override {
    last_offset = offset;
    for (uint8_t& byte : data) byte = fill_;
  }
  void Write(uint64_t offset, std::span<const uint8_t> data) override {
    last_offset = offset;
    written.assign(data.begin(), data.end());
  }

  uint64_t last_offset = ~uint64_t{0};
  Bytes written;

 private:
  const uint8_t fill_;
};

class IoBusTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(bus_.Insert(0x1000, 0x10, &low_).ok());
    ASSERT_TRUE(bus_.Insert(0x1010, 0x10, &high_).ok());
  }
  Bytes Read(uint64_t address, size_t size) {
    Bytes data(size, 0x55);
    bus_.Read(address, data);
    return data;
  }

  FakeDevice low_{1};
  FakeDevice high_{2};
  IoBus bus_;
};

TEST_F(IoBusTest, RoutesByAddressWithTheOffsetInTheRange) {
  EXPECT_EQ(Read(0x1004, 4), Bytes(4, 1));
  EXPECT_EQ(low_.last_offset, 4u);
  EXPECT_EQ(Read(0x101f, 1), Bytes(1, 2));
  EXPECT_EQ(high_.last_offset, 0xfu);
  bus_.Write(0x1018, Bytes{7, 8});
  EXPECT_EQ(high_.written, (Bytes{7, 8}));
  EXPECT_EQ(high_.last_offset, 8u);
  EXPECT_EQ(bus_.unmatched_reads() + bus_.unmatched_writes(), 0u);
}

TEST_F(IoBusTest, UnansweredReadsAreAllOnesAndCounted) {
  EXPECT_EQ(Read(0xfff, 1), Bytes(1, 0xff));
  EXPECT_EQ(Read(0x1020, 8), Bytes(8, 0xff));
  EXPECT_EQ(Read(std::numeric_limits<uint64_t>::max(), 8), Bytes(8, 0xff));
  EXPECT_EQ(bus_.unmatched_reads(), 3u);
}

TEST_F(IoBusTest, UnansweredWritesAreIgnoredAndCounted) {
  bus_.Write(0, Bytes{1});
  EXPECT_EQ(bus_.unmatched_writes(), 1u);
}

TEST_F(IoBusTest, AccessAcrossTheEndOfARangeReachesNobody) {
  EXPECT_EQ(Read(0x100e, 4), Bytes(4, 0xff));
  EXPECT_EQ(low_.last_offset, ~uint64_t{0});
  EXPECT_EQ(high_.last_offset, ~uint64_t{0});
}

TEST_F(IoBusTest, SizesThatNoDeviceIsPromisedReachNobody) {
  for (const size_t size : {0, 3, 5, 6, 7, 16}) {
    EXPECT_EQ(Read(0x1000, size), Bytes(size, 0xff)) << size;
  }
  EXPECT_EQ(low_.last_offset, ~uint64_t{0});
}

TEST_F(IoBusTest, RefusesRangesThatOverlapWrapOrAreEmpty) {
  FakeDevice other(3);
  EXPECT_EQ(bus_.Insert(0xff8, 9, &other).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(bus_.Insert(0x101f, 1, &other).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(bus_.Insert(0x800, 0x1000, &other).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(bus_.Insert(0x2000, 0, &other).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(bus_.Insert(~uint64_t{0}, 2, &other).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(bus_.Insert(0xff8, 8, &other).ok());
}

TEST_F(IoBusTest, ARemovedRangeAnswersNoMore) {
  ASSERT_TRUE(bus_.Remove(0x1000).ok());
  EXPECT_EQ(Read(0x1000, 1), Bytes(1, 0xff));
  EXPECT_EQ(bus_.Remove(0x1000).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(bus_.Remove(0x1018).code(), absl::StatusCode::kNotFound);
}

// As a PCI function does when the guest writes its BAR.
class MovingDevice : public FakeDevice {
 public:
  explicit MovingDevice(IoBus& bus) : FakeDevice(9), bus_(bus) {}
  void Write(uint64_t, std::span<const uint8_t>) override {
    EXPECT_TRUE(bus_.Remove(0x2000).ok());
    EXPECT_TRUE(bus_.Insert(0x3000, 0x10, this).ok());
  }

 private:
  IoBus& bus_;
};

TEST_F(IoBusTest, ADeviceMayMoveItselfDuringAnAccess) {
  MovingDevice device(bus_);
  ASSERT_TRUE(bus_.Insert(0x2000, 0x10, &device).ok());
  bus_.Write(0x2000, Bytes{1});
  EXPECT_EQ(Read(0x2000, 1), Bytes(1, 0xff));
  EXPECT_EQ(Read(0x3000, 1), Bytes(1, 9));
}

}  // namespace
}  // namespace nacre::vmm
