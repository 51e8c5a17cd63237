#ifndef NACRE_VMM_AARCH64_GIC_H_
#define NACRE_VMM_AARCH64_GIC_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "vmm/kvm/kvm_api.h"

namespace nacre::vmm::aarch64 {

// The interrupt controllers, all in the kernel: a GICv3 with kSpis shared
// interrupts and an ITS, which turns the messages of PCI devices into
// interrupts, where layout.h says (kernel: Documentation/virt/kvm/devices/
// arm-vgic-v3.rst and arm-vgic-its.rst).

// Whether KVM can make them for the virtual machine `vm`. Errors: Unavailable,
// saying which one the host lacks; the errno.
absl::Status CheckGicSupport(int vm);

// Makes them. All vCPUs of `vm` exist and are initialised (the GIC is sized and
// takes their affinities when it is) and none has run. KVM keeps them as long
// as `vm`. Errors: the errno.
absl::Status CreateGic(int vm);

// GSI n is the shared interrupt n, for all of them.
std::vector<kvm_irq_routing_entry> SpiRoutes();

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_GIC_H_
