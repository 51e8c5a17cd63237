#include "vmm/serial.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

// Register offsets and values as in the PC16550D data sheet, section 8.
constexpr uint64_t kData = 0;
constexpr uint64_t kIer = 1;
constexpr uint64_t kIir = 2;
constexpr uint64_t kFcr = 2;
constexpr uint64_t kLcr = 3;
constexpr uint64_t kMcr = 4;
constexpr uint64_t kLsr = 5;
constexpr uint64_t kMsr = 6;
constexpr uint64_t kScr = 7;

class CountingLine final : public IrqLine {
 public:
  explicit CountingLine(int* count) : count_(count) {}
  void Trigger() override { ++*count_; }

 private:
  int* const count_;
};

class SerialTest : public testing::Test {
 protected:
  uint8_t In(uint64_t offset) {
    std::vector<uint8_t> data(1, 0xff);
    serial_.Read(offset, data);
    return data[0];
  }
  void Out(uint64_t offset, uint8_t value) {
    serial_.Write(offset, std::vector<uint8_t>{value});
  }
  size_t Type(const std::string& text) {
    return serial_.Receive(
        {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }

  std::string sent_;
  int interrupts_ = 0;
  Serial serial_{[this](uint8_t byte) { sent_ += static_cast<char>(byte); },
                 std::make_unique<CountingLine>(&interrupts_)};
};

TEST_F(SerialTest, SendsAtOnce) {
  Out(kData, 'h');
  EXPECT_EQ(In(kLsr), 0x60);
  Out(kData, 'i');
  EXPECT_EQ(sent_, "hi");
  EXPECT_EQ(interrupts_, 0);
}

TEST_F(SerialTest, ReceivesInOrder) {
  EXPECT_EQ(Type("ab"), 2u);
  EXPECT_EQ(In(kLsr), 0x61);
  EXPECT_EQ(In(kData), 'a');
  EXPECT_EQ(In(kData), 'b');
  EXPECT_EQ(In(kLsr), 0x60);
  EXPECT_EQ(In(kData), 0);
}

TEST_F(SerialTest, ReceivedDataInterruptsOnceUntilRead) {
  Out(kIer, 0x01);
  EXPECT_EQ(In(kIir), 0x01);
  Type("a");
  Type("b");
  EXPECT_EQ(interrupts_, 1);
  EXPECT_EQ(In(kIir), 0x04);
  In(kData);
  In(kData);
  EXPECT_EQ(In(kIir), 0x01);
  Type("c");
  EXPECT_EQ(interrupts_, 2);
}

TEST_F(SerialTest, TransmitterInterruptsWhenEnabledAndAfterEachWrite) {
  Out(kIer, 0x02);
  EXPECT_EQ(interrupts_, 1);
  EXPECT_EQ(In(kIir), 0x02);  // Which acknowledges it.
  EXPECT_EQ(In(kIir), 0x01);
  Out(kData, 'x');
  EXPECT_EQ(interrupts_, 2);
  EXPECT_EQ(In(kIir), 0x02);
}

TEST_F(SerialTest, ReceivedDataGoesBeforeTheTransmitter) {
  Out(kIer, 0x03);
  Type("a");
  EXPECT_EQ(In(kIir), 0x04);
  In(kData);
  EXPECT_EQ(In(kIir), 0x02);
  EXPECT_EQ(In(kIir), 0x01);
}

TEST_F(SerialTest, ReenablingTheTransmitterInterruptsAgain) {
  Out(kIer, 0x02);
  In(kIir);
  Out(kIer, 0x00);
  Out(kIer, 0x02);
  EXPECT_EQ(interrupts_, 2);
  EXPECT_EQ(In(kIir), 0x02);
}

TEST_F(SerialTest, LooksLikeA16550A) {
  Out(kFcr, 0x01);
  EXPECT_EQ(In(kIir), 0xc1);
  Out(kFcr, 0x00);
  EXPECT_EQ(In(kIir), 0x01);
  Out(kScr, 0x5a);
  EXPECT_EQ(In(kScr), 0x5a);
  Out(kIer, 0xff);
  EXPECT_EQ(In(kIer), 0x0f);
}

TEST_F(SerialTest, DivisorLatchHidesDataAndInterruptEnable) {
  Out(kIer, 0x05);
  Out(kLcr, 0x83);
  Out(kData, 0x01);
  Out(kIer, 0x02);
  EXPECT_EQ(In(kData), 0x01);
  EXPECT_EQ(In(kIer), 0x02);
  Out(kLcr, 0x03);
  EXPECT_EQ(In(kLcr), 0x03);
  EXPECT_EQ(In(kIer), 0x05);
  EXPECT_EQ(sent_, "");
}

TEST_F(SerialTest, LoopbackComesBackAndSendsNothing) {
  Out(kMcr, 0x1a);  // Loopback, OUT2, RTS: Linux's probe.
  EXPECT_EQ(In(kMsr) & 0xf0, 0x90);
  Out(kData, 'l');
  EXPECT_EQ(In(kData), 'l');
  EXPECT_EQ(sent_, "");
  Out(kMcr, 0x03);
  EXPECT_EQ(In(kMsr), 0xb0);
}

TEST_F(SerialTest, ClearingTheReceiveFifoDropsInput) {
  Type("abc");
  Out(kFcr, 0x03);
  EXPECT_EQ(In(kLsr), 0x60);
}

TEST_F(SerialTest, AnUnreadConsoleDoesNotGrowWithoutEnd) {
  const std::string many(Serial::kInputCapacity + 10, 'x');
  EXPECT_EQ(Type(many), Serial::kInputCapacity);
  EXPECT_EQ(Type("y"), 0u);
  Out(kMcr, 0x10);
  Out(kData, 'z');  // The guest's own loop neither.
  In(kData);
  Out(kMcr, 0x00);
  EXPECT_EQ(Type("yy"), 1u);
}

TEST_F(SerialTest, ResetForgets) {
  Out(kIer, 0x01);
  Type("a");
  serial_.Reset();
  EXPECT_EQ(In(kIer), 0);
  EXPECT_EQ(In(kLsr), 0x60);
  Out(kIer, 0x01);
  Type("b");
  EXPECT_EQ(interrupts_, 2);
}

TEST(SerialWithoutInterruptTest, CanBePolled) {
  Serial serial([](uint8_t) {}, nullptr);
  serial.Write(kIer, std::vector<uint8_t>{0x03});
  serial.Receive(std::vector<uint8_t>{'a'});
  std::vector<uint8_t> data(1);
  serial.Read(kData, data);
  EXPECT_EQ(data[0], 'a');
}

}  // namespace
}  // namespace nacre::vmm
