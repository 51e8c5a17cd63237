#ifndef NACRE_VMM_IRQ_LINE_H_
#define NACRE_VMM_IRQ_LINE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"

namespace nacre::vmm {

// An edge-triggered interrupt input of the virtual machine. Thread-safe, never
// blocks; triggers that the guest has not yet taken merge into one.
class IrqLine {
 public:
  virtual ~IrqLine() = default;
  virtual void Trigger() = 0;
};

// A message-signalled interrupt (PCI 3.0, 6.8.3): an IrqLine whose message the
// guest programs. Until SetMessage, Trigger does nothing.
//
// The other methods are called one at a time for each line: from vCPU threads,
// or where the bus is reset or a transport destroyed, with the locks of either
// held. They must not wait for a vCPU, and must not call the bus. Trigger may
// run at the same time.
class MsiLine : public IrqLine {
 public:
  // Delivers as a write of `data` to `address` from now on. An error says that
  // the hypervisor has no resources for its fast way: Trigger delivers the new
  // message all the same, only slower, and nothing can be attached.
  virtual absl::Status SetMessage(uint64_t address, uint32_t data) = 0;

  // From now on each signal of `event` is a Trigger, which the hypervisor makes
  // by itself, as are those that its counter holds already: for events that
  // another process signals. `event` is borrowed until Detach, and attached to
  // one line at a time. False where that cannot be had: the event's owner goes
  // on to trigger.
  virtual bool Attach(const EventFd& /*event*/) { return false; }
  // Undoes an Attach that was true: signals stay in the counter again, from
  // when this returns. None is lost.
  virtual void Detach(const EventFd& /*event*/) {}
};

// Where a PCI device gets its message-signalled interrupts from: the
// hypervisor, or a fake in tests.
class MsiController {
 public:
  virtual ~MsiController() = default;
  // `requester_id` is the PCI bus/device/function, which an ITS needs; others
  // ignore it. Called where a transport is made, which owns the line: it ends
  // with the transport, when no vCPU runs. Errors: ResourceExhausted.
  virtual absl::StatusOr<std::unique_ptr<MsiLine>> CreateMsiLine(
      uint32_t requester_id) = 0;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_IRQ_LINE_H_
