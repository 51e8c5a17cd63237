// A guest at the registers of the serial port, while bytes come in from
// outside: steps of two bytes, what to do and with what. Each byte that comes
// in is read in its turn or was cleared by the guest, each that the guest sends
// goes out, and it is interrupted where the port says that it interrupts.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "glog/logging.h"
#include "vmm/irq_line.h"
#include "vmm/serial.h"

namespace nacre::vmm {
namespace {

// Registers of the PC16550D.
constexpr uint64_t kData = 0;
constexpr uint64_t kInterruptIdentification = 2;
constexpr uint64_t kFifoControl = 2;
constexpr uint64_t kLineControl = 3;
constexpr uint64_t kModemControl = 4;
constexpr uint64_t kLineStatus = 5;
constexpr uint8_t kDivisorAccess = 0x80;
constexpr uint8_t kLoopback = 0x10;
constexpr uint8_t kClearReceive = 0x02;
constexpr uint8_t kDataReady = 0x01;
constexpr uint8_t kNoInterrupt = 0x01;

class CountingLine final : public IrqLine {
 public:
  explicit CountingLine(uint64_t* triggers) : triggers_(triggers) {}
  void Trigger() override { ++*triggers_; }

 private:
  uint64_t* const triggers_;
};

class Guest {
 public:
  void Step(uint8_t what, uint8_t with) {
    const uint64_t offset = what & 7;
    switch (what >> 3 & 3) {
      case 0:
        Read(offset);
        return;
      case 1:
        Write(offset, with);
        return;
      case 2:
        Receive(what & 0x20 ? with * 64 : with & 7);
        return;
      default:
        // A rare one: it forgets all.
        if (with != 0) return Read(kInterruptIdentification);
        serial_.Reset();
        input_.clear();
    }
  }

 private:
  uint8_t Get(uint64_t offset) {
    uint8_t value = 0;
    serial_.Read(offset, {&value, 1});
    return value;
  }

  void Read(uint64_t offset) {
    const bool data =
        offset == kData && (Get(kLineControl) & kDivisorAccess) == 0;
    const uint64_t before = triggers_;
    const uint8_t value = Get(offset);
    CHECK_LE(triggers_, before + 1);
    if (data) {
      CHECK_EQ(value, input_.empty() ? 0 : input_.front());
      if (!input_.empty()) input_.pop_front();
    }
    if (offset == kLineStatus) {
      CHECK_EQ((value & kDataReady) != 0, !input_.empty());
    }
  }

  void Write(uint64_t offset, uint8_t value) {
    const bool divisor = (Get(kLineControl) & kDivisorAccess) != 0;
    const bool loopback = (Get(kModemControl) & kLoopback) != 0;
    const size_t sent = sent_.size();
    const uint64_t before = triggers_;
    // As a guest's access of several bytes.
    const uint8_t bytes[] = {value, 0xee};
    serial_.Write(offset, bytes);
    const bool data = offset == kData && !divisor;
    CHECK_EQ(sent_.size(), sent + (data && !loopback ? 1 : 0));
    if (sent_.size() > sent) CHECK_EQ(sent_.back(), value);
    if (data && loopback && input_.size() < Serial::kInputCapacity) {
      input_.push_back(value);
    }
    if (offset == kFifoControl && (value & kClearReceive) != 0) input_.clear();
    if (triggers_ > before) ExpectInterrupt();
  }

  void Receive(size_t size) {
    const size_t room = Serial::kInputCapacity - input_.size();
    std::vector<uint8_t> bytes(size);
    for (uint8_t& byte : bytes) byte = next_++;
    const uint64_t before = triggers_;
    const size_t taken = serial_.Receive(bytes);
    CHECK_EQ(taken, std::min(size, room));
    input_.insert(input_.end(), bytes.begin(),
                  bytes.begin() + static_cast<ptrdiff_t>(taken));
    if (triggers_ > before) ExpectInterrupt();
  }

  void ExpectInterrupt() {
    CHECK_EQ(Get(kInterruptIdentification) & kNoInterrupt, 0);
  }

  uint64_t triggers_ = 0;
  std::vector<uint8_t> sent_;
  std::deque<uint8_t> input_;  // What it must have.
  uint8_t next_ = 1;
  Serial serial_{[this](uint8_t byte) { sent_.push_back(byte); },
                 std::make_unique<CountingLine>(&triggers_)};
};

}  // namespace
}  // namespace nacre::vmm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nacre::ByteReader input({data, size});
  nacre::vmm::Guest guest;
  while (input.remaining() >= 2) {
    const auto what = *input.Read<uint8_t>();
    guest.Step(what, *input.Read<uint8_t>());
  }
  return 0;
}
