#include "devices/virtio/pci_notify_bar.h"

#include <utility>

#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

// Drivers write two bytes, or four with NOTIFICATION_DATA. Matching any size
// spares KVM the decoding of the instruction on Intel.
constexpr uint32_t kAnySize = 0;

}  // namespace

PciNotifyBar::PciNotifyBar(vmm::IoBus* bus, uint64_t size,
                           vmm::IoDevice* registers, vmm::KickBinder* binder,
                           std::vector<Kick> kicks)
    : registers_(bus, size, registers),
      binder_(binder),
      kicks_(std::move(kicks)),
      bound_(kicks_.size()) {}

absl::Status PciNotifyBar::Map(uint64_t address) {
  RETURN_IF_ERROR(registers_.Map(address));
  for (size_t i = 0; i < kicks_.size(); ++i) {
    const absl::Status status = binder_->BindKick(address + kicks_[i].offset,
                                                  kAnySize, *kicks_[i].event);
    bound_[i] = status.ok();
    if (!status.ok()) {
      LOG_FIRST_N(WARNING, 3) << "kicks will be slow: " << status;
    }
  }
  return absl::OkStatus();
}

absl::Status PciNotifyBar::Unmap(uint64_t address) {
  for (size_t i = 0; i < kicks_.size(); ++i) {
    if (!bound_[i]) continue;
    RETURN_IF_ERROR(binder_->UnbindKick(address + kicks_[i].offset, kAnySize,
                                        *kicks_[i].event));
    bound_[i] = false;
  }
  return registers_.Unmap(address);
}

}  // namespace nacre::virtio
