#include "tools/guest_kernel/platform.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "absl/memory/memory.h"
#include "base/checked.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::guest_kernel {

class InterruptController::Line : public vmm::MsiLine {
 public:
  explicit Line(InterruptController* controller) : controller_(controller) {}

  absl::Status SetMessage(uint64_t /*address*/, uint32_t data) override {
    if (data >= kMaxVectors - 1) {
      return absl::InvalidArgumentError("no such interrupt vector");
    }
    vectors_ = 1u << data;
    return absl::OkStatus();
  }
  void Trigger() override {
    const uint32_t vectors = vectors_;
    if (vectors != 0) controller_->Raise(vectors);
  }

 private:
  InterruptController* const controller_;
  std::atomic<uint32_t> vectors_ = 0;  // None until SetMessage.
};

absl::StatusOr<std::unique_ptr<InterruptController>>
InterruptController::Create() {
  Fd event(eventfd(0, EFD_CLOEXEC));
  if (!event.valid()) return ErrnoStatus("eventfd");
  return absl::WrapUnique(new InterruptController(std::move(event)));
}

absl::StatusOr<std::unique_ptr<vmm::MsiLine>>
InterruptController::CreateMsiLine(uint32_t /*requester_id*/) {
  return std::make_unique<Line>(this);
}

void InterruptController::Raise(uint32_t vectors) {
  pending_.fetch_or(vectors, std::memory_order_release);
  // As for an irqfd, whether or not the CPU has one to take already.
  const uint64_t one = 1;
  const ssize_t written = write(event_.get(), &one, sizeof(one));
  PCHECK(written == sizeof(one)) << "eventfd";
}

uint32_t InterruptController::Take() {
  uint64_t count = 0;
  while (read(event_.get(), &count, sizeof(count)) < 0) {
    PCHECK(errno == EINTR) << "eventfd";
  }
  const uint32_t taken = pending_.fetch_and(kStop, std::memory_order_acquire);
  return (taken & kStop) != 0 ? 0 : taken;
}

void InterruptController::Stop() { Raise(kStop); }

absl::Status Kicks::BindKick(uint64_t guest_address, uint32_t /*size*/,
                             const EventFd& event) {
  ASSIGN_OR_RETURN(EventFd copy, event.Duplicate());
  if (!kicks_.emplace(guest_address, std::move(copy)).second) {
    return absl::AlreadyExistsError("a kick is bound there");
  }
  return absl::OkStatus();
}

absl::Status Kicks::UnbindKick(uint64_t guest_address, uint32_t /*size*/,
                               const EventFd& /*event*/) {
  if (kicks_.erase(guest_address) == 0) {
    return absl::NotFoundError("no kick is bound there");
  }
  return absl::OkStatus();
}

const EventFd* Kicks::Find(uint64_t guest_address) const {
  const auto found = kicks_.find(guest_address);
  return found != kicks_.end() ? &found->second : nullptr;
}

absl::Status Windows::AddWindow(uint64_t guest_address,
                                std::span<uint8_t> host) {
  windows_.emplace(guest_address, host);
  return absl::OkStatus();
}

absl::Status Windows::RemoveWindow(uint64_t guest_address) {
  windows_.erase(guest_address);
  return absl::OkStatus();
}

std::span<uint8_t> Windows::Find(uint64_t guest_address, uint64_t size) const {
  for (const auto& [address, host] : windows_) {
    if (guest_address >= address &&
        RangeFits(guest_address - address, size, host.size())) {
      return host.subspan(guest_address - address, size);
    }
  }
  return {};
}

absl::StatusOr<std::unique_ptr<Platform>> Platform::Create(uint64_t ram_bytes) {
  const vmm::GuestMemory::RegionSpec region{.guest_address = 0,
                                            .size = ram_bytes};
  ASSIGN_OR_RETURN(vmm::GuestMemory memory,
                   vmm::GuestMemory::Create({&region, 1}));
  ASSIGN_OR_RETURN(std::unique_ptr<InterruptController> interrupts,
                   InterruptController::Create());
  return absl::WrapUnique(
      new Platform(std::move(memory), std::move(interrupts)));
}

}  // namespace nacre::guest_kernel
