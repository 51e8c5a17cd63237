#include "vmm/kvm/irq_router.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::vmm {

class IrqRouter::Line final : public IrqLine {
 public:
  Line(IrqRouter* router, uint32_t gsi, EventFd event)
      : router_(router), gsi_(gsi), event_(std::move(event)) {}
  ~Line() override { router_->Release(gsi_); }

  void Trigger() override { event_.Signal(); }

 private:
  IrqRouter* const router_;
  const uint32_t gsi_;
  const EventFd event_;
};

class IrqRouter::MessageLine final : public MsiLine {
 public:
  MessageLine(IrqRouter* router, uint32_t gsi, uint32_t requester_id,
              EventFd event)
      : router_(router),
        gsi_(gsi),
        requester_id_(requester_id),
        event_(std::move(event)) {}
  ~MessageLine() override { router_->Release(gsi_); }

  void Trigger() override {
    // An event signalled before it has a message would be delivered later.
    if (armed_.load(std::memory_order_acquire)) {
      event_.Signal();
    } else {
      router_->SendMessage(gsi_);
    }
  }
  absl::Status SetMessage(uint64_t address, uint32_t data) override {
    absl::Status status =
        router_->SetMessage(gsi_, address, data, requester_id_);
    armed_.store(status.ok(), std::memory_order_release);
    return status;
  }
  bool Attach(const EventFd& event) override {
    return router_->AttachEvent(gsi_, event.fd());
  }
  void Detach(const EventFd& event) override {
    router_->DetachEvent(gsi_, event.fd());
  }

 private:
  IrqRouter* const router_;
  const uint32_t gsi_;
  const uint32_t requester_id_;
  const EventFd event_;
  std::atomic<bool> armed_ = false;
};

IrqRouter::IrqRouter(Plan plan) : plan_(std::move(plan)) {}

IrqRouter::~IrqRouter() {
  MutexLock lock(mutex_);
  CHECK(inputs_.empty()) << "interrupt lines outlive their virtual machine";
}

absl::StatusOr<std::unique_ptr<MsiLine>> IrqRouter::CreateMsiLine(
    uint32_t requester_id) {
  ASSIGN_OR_RETURN(EventFd event, EventFd::Create());
  MutexLock lock(mutex_);
  uint32_t gsi = plan_.first_msi_gsi;
  while (inputs_.count(gsi) != 0) ++gsi;
  if (gsi >= plan_.gsi_end) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "all ", plan_.gsi_end - plan_.first_msi_gsi, " MSI lines are in use"));
  }
  inputs_[gsi].event = event.fd();
  return std::make_unique<MessageLine>(this, gsi, requester_id,
                                       std::move(event));
}

absl::StatusOr<std::unique_ptr<IrqLine>> IrqRouter::CreateLine(uint32_t gsi) {
  ASSIGN_OR_RETURN(EventFd event, EventFd::Create());
  MutexLock lock(mutex_);
  CHECK(gsi < plan_.first_msi_gsi && inputs_.count(gsi) == 0);
  RETURN_IF_ERROR(SetIrqFd(gsi, event.fd(), 0));
  Input& input = inputs_[gsi];
  input.event = event.fd();
  input.attached = true;
  return std::make_unique<Line>(this, gsi, std::move(event));
}

absl::Status IrqRouter::Connect(int vm) {
  MutexLock lock(mutex_);
  vm_ = vm;
  RETURN_IF_ERROR(SetRoutes());
  for (const auto& [gsi, input] : inputs_) {
    if (input.attached) RETURN_IF_ERROR(SetIrqFd(gsi, input.event, 0));
    for (const int event : input.others) {
      RETURN_IF_ERROR(SetIrqFd(gsi, event, 0));
    }
  }
  return absl::OkStatus();
}

void IrqRouter::Disconnect() {
  MutexLock lock(mutex_);
  vm_ = -1;
}

absl::Status IrqRouter::SetMessage(uint32_t gsi, uint64_t address,
                                   uint32_t data, uint32_t requester_id) {
  MutexLock lock(mutex_);
  Input& input = inputs_.at(gsi);
  kvm_irq_routing_entry route = {};
  route.gsi = gsi;
  route.type = KVM_IRQ_ROUTING_MSI;
  route.u.msi.address_lo = static_cast<uint32_t>(address);
  route.u.msi.address_hi = static_cast<uint32_t>(address >> 32);
  route.u.msi.data = data;
  if (plan_.msi_device_ids) {
    route.flags = KVM_MSI_VALID_DEVID;
    route.u.msi.devid = requester_id;
  }
  kvm_msi& message = input.message.emplace();
  message = {};
  message.address_lo = route.u.msi.address_lo;
  message.address_hi = route.u.msi.address_hi;
  message.data = route.u.msi.data;
  message.flags = route.flags;
  message.devid = route.u.msi.devid;
  // Setting the table waits for every vCPU to leave its old one, and guests
  // write the same message again with each unmasking.
  if (!input.routed || std::memcmp(&input.route, &route, sizeof(route)) != 0) {
    const kvm_irq_routing_entry old_route = std::exchange(input.route, route);
    const bool old_routed = std::exchange(input.routed, true);
    if (absl::Status status = SetRoutes(); !status.ok()) {
      // One message that KVM refuses must not spoil the table for the others.
      input.route = old_route;
      input.routed = old_routed;
      return status;
    }
  }
  if (!input.attached) {
    RETURN_IF_ERROR(SetIrqFd(gsi, input.event, 0));
    input.attached = true;
  }
  return absl::OkStatus();
}

void IrqRouter::SendMessage(uint32_t gsi) {
  MutexLock lock(mutex_);
  Input& input = inputs_.at(gsi);
  if (!input.message.has_value() || vm_ < 0) return;
  // Allocates nothing, unlike what was refused. 0 is an interrupt that the
  // guest's controller does not take.
  if (ioctl(vm_, KVM_SIGNAL_MSI, &*input.message) < 0) {
    LOG_FIRST_N(WARNING, 10) << ErrnoStatus("KVM_SIGNAL_MSI");
  }
}

bool IrqRouter::AttachEvent(uint32_t gsi, int event) {
  MutexLock lock(mutex_);
  if (const absl::Status status = SetIrqFd(gsi, event, 0); !status.ok()) {
    LOG_FIRST_N(WARNING, 10) << status << "; interrupts are relayed";
    return false;
  }
  inputs_.at(gsi).others.push_back(event);
  return true;
}

void IrqRouter::DetachEvent(uint32_t gsi, int event) {
  MutexLock lock(mutex_);
  std::vector<int>& others = inputs_.at(gsi).others;
  others.erase(std::find(others.begin(), others.end(), event));
  // KVM has finished what the event caused when this returns.
  const absl::Status status = SetIrqFd(gsi, event, KVM_IRQFD_FLAG_DEASSIGN);
  LOG_IF(ERROR, !status.ok()) << status;
}

void IrqRouter::Release(uint32_t gsi) {
  MutexLock lock(mutex_);
  const auto it = inputs_.find(gsi);
  CHECK(it->second.others.empty()) << "events outlive their line";
  if (it->second.attached) {
    const absl::Status status =
        SetIrqFd(gsi, it->second.event, KVM_IRQFD_FLAG_DEASSIGN);
    LOG_IF(ERROR, !status.ok()) << status;
  }
  // The route may stay in KVM's table: nothing triggers it any more.
  inputs_.erase(it);
}

absl::Status IrqRouter::SetRoutes() {
  if (vm_ < 0) return absl::OkStatus();
  std::vector<kvm_irq_routing_entry> entries = plan_.fixed_routes;
  for (const auto& [gsi, input] : inputs_) {
    if (input.routed) entries.push_back(input.route);
  }
  std::vector<uint8_t> table(sizeof(kvm_irq_routing) +
                             entries.size() * sizeof(entries[0]));
  kvm_irq_routing header = {};
  header.nr = static_cast<uint32_t>(entries.size());
  std::memcpy(table.data(), &header, sizeof(header));
  if (!entries.empty()) {
    std::memcpy(table.data() + sizeof(header), entries.data(),
                entries.size() * sizeof(entries[0]));
  }
  if (ioctl(vm_, KVM_SET_GSI_ROUTING, table.data()) != 0) {
    return ErrnoStatus(
        absl::StrCat("KVM_SET_GSI_ROUTING(", entries.size(), " entries)"));
  }
  return absl::OkStatus();
}

absl::Status IrqRouter::SetIrqFd(uint32_t gsi, int event, uint32_t flags) {
  if (vm_ < 0) return absl::OkStatus();
  kvm_irqfd request = {};
  request.fd = static_cast<uint32_t>(event);
  request.gsi = gsi;
  request.flags = flags;
  if (ioctl(vm_, KVM_IRQFD, &request) != 0) {
    return ErrnoStatus(absl::StrCat("KVM_IRQFD(gsi ", gsi, ")"));
  }
  return absl::OkStatus();
}

}  // namespace nacre::vmm
