#include "vmm/pci/testing/fake_hypervisor.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/checked.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::vmm {

class FakeMsiController::Line : public MsiLine {
 public:
  explicit Line(FakeMsiController* controller) : controller_(controller) {}

  absl::Status SetMessage(uint64_t address, uint32_t data) override {
    MutexLock lock(controller_->mutex_);
    ++controller_->set_messages_;
    MutexLock message_lock(mutex_);
    message_ = {address, data};
    return controller_->fail_ ? absl::ResourceExhaustedError("told to fail")
                              : absl::OkStatus();
  }

  void Trigger() override {
    const std::optional<MsiMessage> sent = message();
    if (!sent.has_value()) return;
    MutexLock lock(controller_->mutex_);
    controller_->sent_.push_back(*sent);
    controller_->changed_.SignalAll();
  }

  bool Attach(const EventFd& event) override {
    CHECK(!controller_->attached(event)) << "KVM_IRQFD: EBUSY";
    MutexLock lock(controller_->mutex_);
    controller_->attached_.push_back({&event, this});
    return true;
  }
  void Detach(const EventFd& event) override {
    MutexLock lock(controller_->mutex_);
    controller_->DeliverLocked();
    const size_t erased =
        std::erase_if(controller_->attached_, [&](const Attached& attached) {
          return attached.event == &event && attached.line == this;
        });
    CHECK_EQ(erased, 1u) << "not attached";
  }

  std::optional<MsiMessage> message() {
    MutexLock lock(mutex_);
    return message_;
  }

 private:
  FakeMsiController* const controller_;
  Mutex mutex_;
  std::optional<MsiMessage> message_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<std::unique_ptr<MsiLine>> FakeMsiController::CreateMsiLine(
    uint32_t requester_id) {
  MutexLock lock(mutex_);
  requesters_.push_back(requester_id);
  return std::make_unique<Line>(this);
}

int FakeMsiController::count(uint32_t data) const {
  MutexLock lock(mutex_);
  return static_cast<int>(
      std::count_if(sent_.begin(), sent_.end(),
                    [data](const MsiMessage& m) { return m.data == data; }));
}

int FakeMsiController::total() const {
  MutexLock lock(mutex_);
  return static_cast<int>(sent_.size());
}

int FakeMsiController::set_messages() const {
  MutexLock lock(mutex_);
  return set_messages_;
}

void FakeMsiController::WaitForCount(uint32_t data, int count) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(30);
  MutexLock lock(mutex_);
  for (;;) {
    DeliverLocked();
    if (std::count_if(sent_.begin(), sent_.end(), [data](const MsiMessage& m) {
          return m.data == data;
        }) >= count) {
      return;
    }
    const auto now = std::chrono::steady_clock::now();
    CHECK(now < deadline) << "no interrupt " << data << " in 30 s";
    // Nobody tells of an attached event.
    const bool look_again = !attached_.empty();
    changed_.WaitUntil(
        mutex_, look_again ? now + std::chrono::milliseconds(1) : deadline);
  }
}

bool FakeMsiController::attached(const EventFd& event) const {
  MutexLock lock(mutex_);
  return std::any_of(attached_.begin(), attached_.end(),
                     [&](const Attached& a) { return a.event == &event; });
}

void FakeMsiController::Deliver() {
  MutexLock lock(mutex_);
  DeliverLocked();
}

void FakeMsiController::DeliverLocked() {
  for (const Attached& attached : attached_) {
    const std::optional<MsiMessage> message = attached.line->message();
    if (message && attached.event->Clear() != 0) sent_.push_back(*message);
  }
}

std::vector<uint32_t> FakeMsiController::requesters() const {
  MutexLock lock(mutex_);
  return requesters_;
}

void FakeMsiController::FailSetMessage(bool fail) {
  MutexLock lock(mutex_);
  fail_ = fail;
}

absl::Status FakeKickBinder::BindKick(uint64_t guest_address, uint32_t size,
                                      const EventFd& event) {
  if (fail_) return absl::ResourceExhaustedError("told to fail");
  ASSIGN_OR_RETURN(EventFd copy, event.Duplicate());
  if (!kicks_.emplace(std::pair(guest_address, size), std::move(copy)).second) {
    return absl::AlreadyExistsError("a kick is bound there");
  }
  return absl::OkStatus();
}

absl::Status FakeKickBinder::UnbindKick(uint64_t guest_address, uint32_t size,
                                        const EventFd& /*event*/) {
  if (fail_unbind_) return absl::ResourceExhaustedError("told to fail");
  if (kicks_.erase({guest_address, size}) == 0) {
    return absl::NotFoundError("no kick is bound there");
  }
  return absl::OkStatus();
}

bool FakeKickBinder::Write(uint64_t guest_address, uint32_t size) const {
  for (const uint32_t bound_size : {size, uint32_t{0}}) {
    if (const auto it = kicks_.find({guest_address, bound_size});
        it != kicks_.end()) {
      it->second.Signal();
      return true;
    }
  }
  return false;
}

std::vector<uint64_t> FakeKickBinder::addresses() const {
  std::vector<uint64_t> result;
  for (const auto& [key, event] : kicks_) result.push_back(key.first);
  return result;
}

absl::Status FakeMemoryWindows::AddWindow(uint64_t guest_address,
                                          std::span<uint8_t> host) {
  if (fail_) return absl::ResourceExhaustedError("told to fail");
  for (const auto& [address, other] : windows_) {
    if (RangesOverlap(guest_address, host.size(), address, other.size())) {
      return absl::InvalidArgumentError("windows overlap");
    }
  }
  windows_.emplace(guest_address, host);
  return absl::OkStatus();
}

absl::Status FakeMemoryWindows::RemoveWindow(uint64_t guest_address) {
  if (fail_) return absl::ResourceExhaustedError("told to fail");
  if (windows_.erase(guest_address) == 0) {
    return absl::NotFoundError("no window there");
  }
  return absl::OkStatus();
}

}  // namespace nacre::vmm
