#ifndef NACRE_VMM_KVM_IRQ_ROUTER_H_
#define NACRE_VMM_KVM_IRQ_ROUTER_H_

#include <cstdint>
#include <map>
#include <memory>
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
class IrqRouter final : public MsiController {
 public:
  // `fixed_routes` are those of the architecture's interrupt controllers;
  // message-signalled lines get GSIs from `first_msi_gsi` to below `gsi_end`.
  IrqRouter(std::vector<kvm_irq_routing_entry> fixed_routes,
            uint32_t first_msi_gsi, uint32_t gsi_end);
  ~IrqRouter() override;

  absl::StatusOr<std::unique_ptr<MsiLine>> CreateMsiLine(
      uint32_t requester_id) override;
  // An edge into the fixed `gsi`.
  absl::StatusOr<std::unique_ptr<IrqLine>> CreateLine(uint32_t gsi);

  // From now on `vm` (borrowed) has the routes and irqfds, present and future.
  absl::Status MoveTo(int vm);

 private:
  class Line;
  class MessageLine;

  struct Input {
    int event;  // The line's eventfd, borrowed.
    bool attached = false;
    bool routed = false;  // Whether `route` counts: not a fixed GSI's.
    kvm_irq_routing_entry route = {};
  };

  absl::Status SetMessage(uint32_t gsi, uint64_t address, uint32_t data,
                          uint32_t requester_id);
  void Release(uint32_t gsi);

  absl::Status SetRoutes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SetIrqFd(uint32_t gsi, int event, uint32_t flags)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::vector<kvm_irq_routing_entry> fixed_routes_;
  const uint32_t first_msi_gsi_;
  const uint32_t gsi_end_;

  Mutex mutex_;
  int vm_ ABSL_GUARDED_BY(mutex_) = -1;
  std::map<uint32_t, Input> inputs_ ABSL_GUARDED_BY(mutex_);  // By GSI.
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_KVM_IRQ_ROUTER_H_
