#include "vmm/aarch64/gic.h"

#include <sys/ioctl.h>

#include <cerrno>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/errno_status.h"
#include "base/fd.h"
#include "base/status_macros.h"
#include "vmm/aarch64/layout.h"

namespace nacre::vmm::aarch64 {
namespace {

// Interrupts below the shared ones: 16 of software, 16 of each CPU's own.
constexpr uint32_t kPrivateInterrupts = 32;
// What KVM takes (vgic-kvm-device.c, KVM_DEV_ARM_VGIC_GRP_NR_IRQS).
static_assert(kSpis >= 32 && kSpis % 32 == 0 &&
              kPrivateInterrupts + kSpis <= 1024);

absl::Status CreateDevice(int vm, uint32_t type, uint32_t flags,
                          absl::string_view name, Fd* fd) {
  kvm_create_device request = {};
  request.type = type;
  request.flags = flags;
  if (ioctl(vm, KVM_CREATE_DEVICE, &request) != 0) {
    return ErrnoStatus(absl::StrCat("KVM_CREATE_DEVICE(", name, ")"));
  }
  if (fd != nullptr) *fd = Fd(static_cast<int>(request.fd));
  return absl::OkStatus();
}

// KVM says ENODEV of a type that it does not have (kvm_main.c,
// kvm_ioctl_create_device). Anything else is the host's trouble, perhaps for a
// moment only.
absl::StatusOr<bool> HasDevice(int vm, uint32_t type, absl::string_view name) {
  const absl::Status status =
      CreateDevice(vm, type, KVM_CREATE_DEVICE_TEST, name, nullptr);
  if (!status.ok() && StatusErrno(status) != ENODEV) return status;
  return status.ok();
}

absl::Status SetAttribute(const Fd& device, uint32_t group, uint64_t attribute,
                          const void* value, absl::string_view name) {
  kvm_device_attr request = {};
  request.group = group;
  request.attr = attribute;
  request.addr = reinterpret_cast<uintptr_t>(value);
  if (ioctl(device.get(), KVM_SET_DEVICE_ATTR, &request) != 0) {
    return ErrnoStatus(absl::StrCat("KVM_SET_DEVICE_ATTR(", name, ")"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckGicSupport(int vm) {
  ASSIGN_OR_RETURN(const bool has_v3,
                   HasDevice(vm, KVM_DEV_TYPE_ARM_VGIC_V3, "GICv3"));
  if (!has_v3) {
    ASSIGN_OR_RETURN(const bool has_v2,
                     HasDevice(vm, KVM_DEV_TYPE_ARM_VGIC_V2, "GICv2"));
    return absl::UnavailableError(absl::StrCat(
        "this host's KVM offers guests no GICv3",
        has_v2 ? " but only a GICv2, which has no message-signalled interrupts"
               : "",
        ": it needs a host whose own interrupt controller is a GICv3 or a "
        "GICv4"));
  }
  ASSIGN_OR_RETURN(const bool has_its,
                   HasDevice(vm, KVM_DEV_TYPE_ARM_VGIC_ITS, "ITS"));
  if (!has_its) {
    return absl::UnavailableError(
        "this host's KVM offers guests a GICv3 but no ITS, without which PCI "
        "devices cannot interrupt: it needs Linux 4.8 or later");
  }
  return absl::OkStatus();
}

absl::Status CreateGic(int vm) {
  // Open, they would keep the virtual machine alive.
  Fd gic, its;
  RETURN_IF_ERROR(CreateDevice(vm, KVM_DEV_TYPE_ARM_VGIC_V3, 0, "GICv3", &gic));
  const uint64_t distributor = kGicDistributor.address;
  RETURN_IF_ERROR(SetAttribute(gic, KVM_DEV_ARM_VGIC_GRP_ADDR,
                               KVM_VGIC_V3_ADDR_TYPE_DIST, &distributor,
                               "GICv3 distributor"));
  // One region, as long as there are vCPUs.
  const uint64_t redistributors = kGicRedistributors;
  RETURN_IF_ERROR(SetAttribute(gic, KVM_DEV_ARM_VGIC_GRP_ADDR,
                               KVM_VGIC_V3_ADDR_TYPE_REDIST, &redistributors,
                               "GICv3 redistributors"));
  const uint32_t interrupts = kPrivateInterrupts + kSpis;
  RETURN_IF_ERROR(SetAttribute(gic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0,
                               &interrupts, "GICv3 interrupts"));
  RETURN_IF_ERROR(SetAttribute(gic, KVM_DEV_ARM_VGIC_GRP_CTRL,
                               KVM_DEV_ARM_VGIC_CTRL_INIT, nullptr,
                               "GICv3 initialisation"));

  RETURN_IF_ERROR(CreateDevice(vm, KVM_DEV_TYPE_ARM_VGIC_ITS, 0, "ITS", &its));
  const uint64_t address = kGicIts.address;
  RETURN_IF_ERROR(SetAttribute(its, KVM_DEV_ARM_VGIC_GRP_ADDR,
                               KVM_VGIC_ITS_ADDR_TYPE, &address,
                               "ITS address"));
  return SetAttribute(its, KVM_DEV_ARM_VGIC_GRP_CTRL,
                      KVM_DEV_ARM_VGIC_CTRL_INIT, nullptr,
                      "ITS initialisation");
}

std::vector<kvm_irq_routing_entry> SpiRoutes() {
  std::vector<kvm_irq_routing_entry> routes;
  for (uint32_t spi = 0; spi < kSpis; ++spi) {
    kvm_irq_routing_entry route = {};
    route.gsi = spi;
    route.type = KVM_IRQ_ROUTING_IRQCHIP;
    route.u.irqchip.irqchip = 0;
    route.u.irqchip.pin = spi;
    routes.push_back(route);
  }
  return routes;
}

}  // namespace nacre::vmm::aarch64
