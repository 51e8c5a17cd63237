#ifndef NACRE_VMM_PCI_TESTING_FAKE_HYPERVISOR_H_
#define NACRE_VMM_PCI_TESTING_FAKE_HYPERVISOR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "vmm/hypervisor.h"
#include "vmm/irq_line.h"

namespace nacre::vmm {

// What a hypervisor does for devices, as state that tests look at.

struct MsiMessage {
  uint64_t address = 0;
  uint32_t data = 0;
  bool operator==(const MsiMessage&) const = default;
};

// Counts interrupts by the message they were sent as. Outlives its lines.
// Thread-safe.
class FakeMsiController : public MsiController {
 public:
  absl::StatusOr<std::unique_ptr<MsiLine>> CreateMsiLine(
      uint32_t requester_id) override;

  // How often the message with this data was sent, whatever its address.
  int count(uint32_t data) const;
  int total() const;
  // Messages set so far: what a hypervisor makes system calls for.
  int set_messages() const;
  // Waits until count(data) is at least `count`; CHECKs that it is in 30 s.
  void WaitForCount(uint32_t data, int count);
  // Requester ids of the lines made.
  std::vector<uint32_t> requesters() const;
  // Lets SetMessage fail from now on.
  void FailSetMessage(bool fail);

  // Whether `event` is attached to a line.
  bool attached(const EventFd& event) const;
  // Sends the messages of attached events that are signalled, as a hypervisor
  // does at once. WaitForCount does it, too.
  void Deliver();

 private:
  class Line;
  struct Attached {
    const EventFd* event;
    Line* line;
  };
  void DeliverLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<MsiMessage> sent_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint32_t> requesters_ ABSL_GUARDED_BY(mutex_);
  int set_messages_ ABSL_GUARDED_BY(mutex_) = 0;
  bool fail_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Attached> attached_ ABSL_GUARDED_BY(mutex_);
};

// Not thread-safe.
class FakeKickBinder : public KickBinder {
 public:
  absl::Status BindKick(uint64_t guest_address, uint32_t size,
                        const EventFd& event) override;
  absl::Status UnbindKick(uint64_t guest_address, uint32_t size,
                          const EventFd& event) override;

  // A guest write: whether a kick is bound there, and if so makes it.
  bool Write(uint64_t guest_address, uint32_t size) const;
  std::vector<uint64_t> addresses() const;
  // Lets BindKick fail from now on.
  void set_fail(bool fail) { fail_ = fail; }
  // Lets UnbindKick fail from now on.
  void set_fail_unbind(bool fail) { fail_unbind_ = fail; }

 private:
  // By address and size: a counter shared with whoever bound it.
  std::map<std::pair<uint64_t, uint32_t>, EventFd> kicks_;
  bool fail_ = false;
  bool fail_unbind_ = false;
};

// Not thread-safe.
class FakeMemoryWindows : public MemoryWindows {
 public:
  absl::Status AddWindow(uint64_t guest_address,
                         std::span<uint8_t> host) override;
  absl::Status RemoveWindow(uint64_t guest_address) override;

  // By guest address.
  const std::map<uint64_t, std::span<uint8_t>>& windows() const {
    return windows_;
  }
  // Lets all calls fail from now on.
  void set_fail(bool fail) { fail_ = fail; }

 private:
  std::map<uint64_t, std::span<uint8_t>> windows_;
  bool fail_ = false;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_PCI_TESTING_FAKE_HYPERVISOR_H_
