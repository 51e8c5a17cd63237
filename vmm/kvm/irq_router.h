#ifndef NACRE_VMM_KVM_IRQ_ROUTER_H_
#define NACRE_VMM_KVM_IRQ_ROUTER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "vmm/irq_line.h"
#include "vmm/kvm/kvm_api.h"

namespace nacre::vmm {

// A virtual machine's interrupt inputs: irqfds (KVM_IRQFD) and the table that
// says where each GSI goes (KVM_SET_GSI_ROUTING), remembered to make them again
// in a new virtual machine. Outlives its lines. Thread-safe.
//
// It begins disconnected: lines can be made, get messages and be triggered, and
// a trigger then arrives after Connect.
class IrqRouter final : public MsiController {
 public:
  struct Plan {
    // Those of the architecture's interrupt controllers.
    std::vector<kvm_irq_routing_entry> fixed_routes;
    // Message-signalled lines get GSIs from here to below the end.
    uint32_t first_msi_gsi = 0;
    uint32_t gsi_end = 0;
    // Whether messages name their sender (KVM_MSI_VALID_DEVID), which an ITS
    // needs and others refuse.
    bool msi_device_ids = false;
  };

  explicit IrqRouter(Plan plan);
  ~IrqRouter() override;

  absl::StatusOr<std::unique_ptr<MsiLine>> CreateMsiLine(
      uint32_t requester_id) override;
  // An edge into the fixed `gsi`. Errors: the errno.
  absl::StatusOr<std::unique_ptr<IrqLine>> CreateLine(uint32_t gsi);

  // From now on `vm` (borrowed) has the routes and irqfds, present and future.
  // Its interrupt controllers are complete: KVM_IRQFD refuses before that, and
  // a GIC that is initialised replaces the routing table by a default.
  absl::Status Connect(int vm);
  // Forgets the virtual machine, which is gone or going: closing it undoes its
  // irqfds.
  void Disconnect();

 private:
  class Line;
  class MessageLine;

  struct Input {
    int event;              // The line's eventfd, borrowed.
    bool attached = false;  // In `vm_`, or to be when there is one.
    bool routed = false;    // Whether `route` counts: not a fixed GSI's.
    kvm_irq_routing_entry route = {};
    std::optional<kvm_msi> message;  // The last of SetMessage.
    std::vector<int> others;  // More eventfds (MsiLine::Attach), borrowed.
  };

  absl::Status SetMessage(uint32_t gsi, uint64_t address, uint32_t data,
                          uint32_t requester_id);
  // Sends the input's message, if any, without route and irqfd.
  void SendMessage(uint32_t gsi);
  bool AttachEvent(uint32_t gsi, int event);
  void DetachEvent(uint32_t gsi, int event);
  void Release(uint32_t gsi);

  // These two succeed and do nothing while disconnected.
  absl::Status SetRoutes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SetIrqFd(uint32_t gsi, int event, uint32_t flags)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Plan plan_;

  Mutex mutex_;
  int vm_ ABSL_GUARDED_BY(mutex_) = -1;  // -1 while disconnected.
  std::map<uint32_t, Input> inputs_ ABSL_GUARDED_BY(mutex_);  // By GSI.
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_KVM_IRQ_ROUTER_H_
