#include "vmm/serial.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace nacre::vmm {
namespace {

// Offsets; 0 and 1 are the divisor's while kDivisorAccess is set.
constexpr uint64_t kData = 0;
constexpr uint64_t kInterruptEnable = 1;
constexpr uint64_t kInterruptIdentification = 2;  // Write: FIFO control.
constexpr uint64_t kLineControl = 3;
constexpr uint64_t kModemControl = 4;
constexpr uint64_t kLineStatus = 5;
constexpr uint64_t kModemStatus = 6;

constexpr uint8_t kEnableReceived = 1 << 0;
constexpr uint8_t kEnableTransmitEmpty = 1 << 1;
constexpr uint8_t kInterruptEnableBits = 0x0f;

constexpr uint8_t kNoInterrupt = 0x01;
constexpr uint8_t kTransmitEmptyInterrupt = 0x02;
constexpr uint8_t kReceivedInterrupt = 0x04;
constexpr uint8_t kFifosEnabled = 0xc0;

constexpr uint8_t kFifoEnable = 1 << 0;
constexpr uint8_t kFifoClearReceive = 1 << 1;

constexpr uint8_t kDivisorAccess = 1 << 7;

constexpr uint8_t kModemControlBits = 0x1f;
constexpr uint8_t kLoopback = 1 << 4;

constexpr uint8_t kDataReady = 1 << 0;
constexpr uint8_t kTransmitterEmpty = 1 << 5 | 1 << 6;

// Clear to send, data set ready, carrier: somebody is there.
constexpr uint8_t kConnected = 0xb0;

}  // namespace

Serial::Serial(Output output, std::unique_ptr<IrqLine> irq)
    : output_(std::move(output)), irq_(std::move(irq)) {}

void Serial::Read(uint64_t offset, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0);
  bool rose = false;
  {
    MutexLock lock(mutex_);
    data[0] = ReadRegister(offset);
    rose = UpdateInterrupt();
  }
  if (rose) irq_->Trigger();
}

void Serial::Write(uint64_t offset, std::span<const uint8_t> data) {
  bool send = false;
  bool rose = false;
  {
    MutexLock lock(mutex_);
    send = WriteRegister(offset, data[0]);
    rose = UpdateInterrupt();
  }
  if (send) output_(data[0]);
  if (rose) irq_->Trigger();
}

size_t Serial::Receive(std::span<const uint8_t> bytes) {
  size_t taken = 0;
  bool rose = false;
  {
    MutexLock lock(mutex_);
    taken = std::min(bytes.size(), kInputCapacity - input_.size());
    const std::span<const uint8_t> head = bytes.first(taken);
    input_.insert(input_.end(), head.begin(), head.end());
    rose = UpdateInterrupt();
  }
  if (rose) irq_->Trigger();
  return taken;
}

void Serial::Reset() {
  MutexLock lock(mutex_);
  registers_ = {};
  input_.clear();
}

uint8_t Serial::ReadRegister(uint64_t offset) {
  const bool divisor = (registers_.line_control & kDivisorAccess) != 0;
  switch (offset) {
    case kData: {
      if (divisor) return registers_.divisor_low;
      if (input_.empty()) return 0;
      const uint8_t byte = input_.front();
      input_.pop_front();
      return byte;
    }
    case kInterruptEnable:
      return divisor ? registers_.divisor_high : registers_.interrupt_enable;
    case kInterruptIdentification: {
      const uint8_t value = InterruptIdentification();
      // Reading it is the acknowledgement, where it is what was read.
      if ((value & ~kFifosEnabled) == kTransmitEmptyInterrupt) {
        registers_.transmit_interrupt = false;
      }
      return value;
    }
    case kLineControl:
      return registers_.line_control;
    case kModemControl:
      return registers_.modem_control;
    case kLineStatus:
      return kTransmitterEmpty | (input_.empty() ? 0 : kDataReady);
    case kModemStatus:
      return ModemStatus();
    default:
      return registers_.scratch;
  }
}

bool Serial::WriteRegister(uint64_t offset, uint8_t value) {
  const bool divisor = (registers_.line_control & kDivisorAccess) != 0;
  switch (offset) {
    case kData:
      if (divisor) {
        registers_.divisor_low = value;
        return false;
      }
      if ((registers_.modem_control & kLoopback) != 0) {
        if (input_.size() < kInputCapacity) input_.push_back(value);
        return false;
      }
      registers_.transmit_interrupt = true;
      return true;
    case kInterruptEnable:
      if (divisor) {
        registers_.divisor_high = value;
        return false;
      }
      // Enabling it while the transmitter is empty interrupts.
      if ((value & ~registers_.interrupt_enable & kEnableTransmitEmpty) != 0) {
        registers_.transmit_interrupt = true;
      }
      registers_.interrupt_enable = value & kInterruptEnableBits;
      return false;
    case kInterruptIdentification:
      registers_.fifo_enabled = (value & kFifoEnable) != 0;
      if ((value & kFifoClearReceive) != 0) input_.clear();
      return false;
    case kLineControl:
      registers_.line_control = value;
      return false;
    case kModemControl:
      registers_.modem_control = value & kModemControlBits;
      return false;
    case kLineStatus:
    case kModemStatus:
      return false;
    default:
      registers_.scratch = value;
      return false;
  }
}

uint8_t Serial::InterruptIdentification() const {
  const uint8_t fifos = registers_.fifo_enabled ? kFifosEnabled : 0;
  const uint8_t enabled = registers_.interrupt_enable;
  if ((enabled & kEnableReceived) != 0 && !input_.empty()) {
    return fifos | kReceivedInterrupt;
  }
  if ((enabled & kEnableTransmitEmpty) != 0 && registers_.transmit_interrupt) {
    return fifos | kTransmitEmptyInterrupt;
  }
  return fifos | kNoInterrupt;
}

uint8_t Serial::ModemStatus() const {
  const uint8_t control = registers_.modem_control;
  if ((control & kLoopback) == 0) return kConnected;
  // DTR, RTS, OUT1, OUT2 come back as DSR, CTS, RI, DCD.
  return static_cast<uint8_t>((control & 0x01) << 5 | (control & 0x02) << 3 |
                              (control & 0x04) << 4 | (control & 0x08) << 4);
}

bool Serial::UpdateInterrupt() {
  const bool before = registers_.interrupting;
  registers_.interrupting = (InterruptIdentification() & kNoInterrupt) == 0;
  return registers_.interrupting && !before && irq_ != nullptr;
}

Serial::Output OutputTo(int fd) {
  return [fd](uint8_t byte) {
    if (fd >= 0) (void)!write(fd, &byte, 1);
  };
}

}  // namespace nacre::vmm
