// A guest at the registers of the serial port, while bytes come in from
// outside: steps of two bytes, what to do and with what. Each byte that comes
// in is read in its turn or was cleared by the guest, each that the guest sends
// goes out, and it is interrupted once whenever there begins to be a reason
// that it has enabled.

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
constexpr uint64_t kInterruptEnable = 1;
constexpr uint64_t kInterruptIdentification = 2;
constexpr uint64_t kFifoControl = 2;
constexpr uint64_t kLineControl = 3;
constexpr uint64_t kModemControl = 4;
constexpr uint64_t kLineStatus = 5;
constexpr uint8_t kDivisorAccess = 0x80;
constexpr uint8_t kLoopback = 0x10;
constexpr uint8_t kClearReceive = 0x02;
constexpr uint8_t kDataReady = 0x01;
constexpr uint8_t kEnableReceived = 0x01;
constexpr uint8_t kEnableTransmitEmpty = 0x02;
constexpr uint8_t kInterruptEnableBits = 0x0f;
constexpr uint8_t kNoInterrupt = 0x01;
constexpr uint8_t kTransmitEmptyInterrupt = 0x02;
constexpr uint8_t kReceivedInterrupt = 0x04;
constexpr uint8_t kFifosEnabled = 0xc0;

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
    Act(what, with);
    const bool pin = Interrupt() != kNoInterrupt;
    if (pin && !pin_) ++rises_;
    pin_ = pin;
    CHECK_EQ(triggers_, rises_);
  }

 private:
  void Act(uint8_t what, uint8_t with) {
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
        enabled_ = 0;
        transmitted_ = false;
    }
  }

  uint8_t Get(uint64_t offset) {
    uint8_t value = 0;
    serial_.Read(offset, {&value, 1});
    return value;
  }

  bool DivisorAccess() { return (Get(kLineControl) & kDivisorAccess) != 0; }

  void Read(uint64_t offset) {
    const bool divisor = DivisorAccess();
    const uint8_t value = Get(offset);
    if (offset == kData && !divisor) {
      CHECK_EQ(value, input_.empty() ? 0 : input_.front());
      if (!input_.empty()) input_.pop_front();
    }
    if (offset == kInterruptEnable && !divisor) CHECK_EQ(value, enabled_);
    if (offset == kInterruptIdentification) {
      const uint8_t interrupt = Interrupt();
      CHECK_EQ(value & ~kFifosEnabled, interrupt);
      if (interrupt == kTransmitEmptyInterrupt) transmitted_ = false;
    }
    if (offset == kLineStatus) {
      CHECK_EQ((value & kDataReady) != 0, !input_.empty());
    }
  }

  void Write(uint64_t offset, uint8_t value) {
    const bool divisor = DivisorAccess();
    const bool loopback = (Get(kModemControl) & kLoopback) != 0;
    const size_t sent = sent_.size();
    // As a guest's access of several bytes.
    const uint8_t bytes[] = {value, 0xee};
    serial_.Write(offset, bytes);
    const bool data = offset == kData && !divisor;
    CHECK_EQ(sent_.size(), sent + (data && !loopback ? 1 : 0));
    if (sent_.size() > sent) {
      CHECK_EQ(sent_.back(), value);
      transmitted_ = true;
    }
    if (data && loopback && input_.size() < Serial::kInputCapacity) {
      input_.push_back(value);
    }
    if (offset == kInterruptEnable && !divisor) {
      if ((value & ~enabled_ & kEnableTransmitEmpty) != 0) transmitted_ = true;
      enabled_ = value & kInterruptEnableBits;
    }
    if (offset == kFifoControl && (value & kClearReceive) != 0) input_.clear();
  }

  void Receive(size_t size) {
    const size_t room = Serial::kInputCapacity - input_.size();
    std::vector<uint8_t> bytes(size);
    for (uint8_t& byte : bytes) byte = next_++;
    const size_t taken = serial_.Receive(bytes);
    CHECK_EQ(taken, std::min(size, room));
    input_.insert(input_.end(), bytes.begin(),
                  bytes.begin() + static_cast<ptrdiff_t>(taken));
  }

  // What must be identified.
  uint8_t Interrupt() const {
    if ((enabled_ & kEnableReceived) != 0 && !input_.empty()) {
      return kReceivedInterrupt;
    }
    return (enabled_ & kEnableTransmitEmpty) != 0 && transmitted_
               ? kTransmitEmptyInterrupt
               : kNoInterrupt;
  }

  uint64_t triggers_ = 0;
  // What it must have and show.
  uint64_t rises_ = 0;
  bool pin_ = false;
  uint8_t enabled_ = 0;
  bool transmitted_ = false;  // Since the guest was told.
  std::vector<uint8_t> sent_;
  std::deque<uint8_t> input_;
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
