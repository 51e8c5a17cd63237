#ifndef NACRE_VMM_SERIAL_H_
#define NACRE_VMM_SERIAL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "vmm/io_device.h"
#include "vmm/irq_line.h"

namespace nacre::vmm {

// A serial port: a National Semiconductor PC16550D as its data sheet has it,
// infinitely fast, eight ports of a byte each. It transmits at once, so a
// driver that uses its FIFO and interrupts pays one exit a byte and little
// else.
//
// Registers are guest-controlled; nothing the guest writes there has an effect
// beyond the port. Thread-safe.
class Serial final : public IoDevice {
 public:
  // What the guest sent. Called on vCPU threads, without a lock held.
  using Output = std::function<void(uint8_t byte)>;
  // Bytes that wait for a guest that does not read: stops an unread console
  // from growing without end.
  static constexpr size_t kInputCapacity = 4096;

  // `irq` may be null: a port that is only polled.
  Serial(Output output, std::unique_ptr<IrqLine> irq);

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

  // The line's other end sends: takes what there is room for.
  size_t Receive(std::span<const uint8_t> bytes);

  // To the state after power-on; waiting input is lost.
  void Reset();

 private:
  struct Registers {
    uint8_t interrupt_enable = 0;
    uint8_t line_control = 0;
    uint8_t modem_control = 0;
    uint8_t scratch = 0;
    uint8_t divisor_low = 0;
    uint8_t divisor_high = 0;
    bool fifo_enabled = false;
    bool transmit_interrupt = false;  // The transmitter became empty.
    bool interrupting = false;        // What the interrupt pin shows.
  };

  uint8_t ReadRegister(uint64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether `value` is to be sent.
  bool WriteRegister(uint64_t offset, uint8_t value)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint8_t InterruptIdentification() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint8_t ModemStatus() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the pin rose.
  bool UpdateInterrupt() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Output output_;
  const std::unique_ptr<IrqLine> irq_;

  Mutex mutex_;
  Registers registers_ ABSL_GUARDED_BY(mutex_);
  std::deque<uint8_t> input_ ABSL_GUARDED_BY(mutex_);
};

// Writes what the guest sent to `fd`, which is borrowed; -1 drops it. A file
// that cannot be written to loses output and stops nothing.
Serial::Output OutputTo(int fd);

}  // namespace nacre::vmm

#endif  // NACRE_VMM_SERIAL_H_
