#ifndef NACRE_VMM_PCI_MSIX_H_
#define NACRE_VMM_PCI_MSIX_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "vmm/irq_line.h"
#include "vmm/pci/config_space.h"

namespace nacre::vmm {

// MSI-X of one function (PCI 3.0, 6.8.2): table, pending bits and the control
// word of the capability, over one MsiLine per vector. The table and the
// pending bits lie in a BAR of the owner's, who passes the guest's accesses on.
//
// All but Trigger is called from vCPU threads, one call at a time or not: it
// locks for itself. Trigger takes no lock, for device threads.
class Msix {
 public:
  static constexpr uint32_t kEntrySize = 16;
  static constexpr uint16_t kMaxVectors = 2048;

  // `controller` outlives this, which owns the lines that it makes. Errors:
  // InvalidArgument for a number of vectors that is not 1 to kMaxVectors; those
  // of CreateMsiLine.
  static absl::StatusOr<std::unique_ptr<Msix>> Create(MsiController* controller,
                                                      uint32_t requester_id,
                                                      uint16_t vectors);

  uint16_t vectors() const { return static_cast<uint16_t>(vectors_.size()); }
  uint64_t table_size() const { return uint64_t{vectors()} * kEntrySize; }

  // Adds the capability, with the table and the pending bits at these offsets
  // (multiples of 8) of BAR `bar`. Returns its offset; the owner calls
  // SetControl with the 16 bits at kControl from there whenever the guest may
  // have written them.
  uint8_t AddCapability(ConfigSpace& config, uint8_t bar, uint32_t table_offset,
                        uint32_t pending_offset) const;
  static constexpr uint8_t kControlOffset = 2;
  static constexpr uint16_t kEnable = 0x8000;
  static constexpr uint16_t kFunctionMask = 0x4000;
  void SetControl(uint16_t control);

  // The guest's accesses to the table, of any offset and size; only aligned
  // ones of 4 or 8 bytes mean anything (6.8.2: "DWORD or QWORD").
  void ReadTable(uint64_t offset, std::span<uint8_t> data);
  void WriteTable(uint64_t offset, std::span<const uint8_t> data);
  // Writes to the pending bits have no effect: there is no method for them.
  void ReadPending(uint64_t offset, std::span<uint8_t> data) const;

  // Sends `vector`'s message, or remembers it while it is masked; where the
  // guest has not enabled MSI-X, or for a vector that is none, nothing.
  void Trigger(uint16_t vector);

  // From now on a signal of `event` (borrowed until Unbind, bound once) sends
  // `vector`'s message without this process, as long as the vector is enabled
  // and unmasked and the line can do so. At all other times it stays in the
  // event's counter, whose owner clears it and calls Trigger, so that the
  // pending bits are right. For a vector that is none, that is always.
  void Bind(uint16_t vector, const EventFd* event);
  void Unbind(const EventFd* event);

  // Disabled, every vector masked, nothing pending.
  void Reset();

 private:
  enum class State { kOff, kMasked, kOpen };

  struct Vector {
    explicit Vector(std::unique_ptr<MsiLine> line_in)
        : line(std::move(line_in)) {}
    const std::unique_ptr<MsiLine> line;
    std::atomic<State> state = State::kOff;
    std::atomic<bool> pending = false;
  };
  // As the guest sees it.
  struct Entry {
    uint32_t address_low = 0;
    uint32_t address_high = 0;
    uint32_t data = 0;
    uint32_t control = kMaskBit;
  };
  static_assert(sizeof(Entry) == kEntrySize);
  static constexpr uint32_t kMaskBit = 1;
  struct Binding {
    uint16_t vector;
    const EventFd* event;
    bool attached = false;
  };

  explicit Msix(std::vector<std::unique_ptr<Vector>> vectors);

  // Brings a vector's state in line with its entry and the control word.
  void Update(uint16_t vector) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Attaches its event to its vector's line, or detaches it.
  void Attach(Binding& binding, bool attach)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AttachAll(uint16_t vector, bool attach)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::vector<std::unique_ptr<Vector>> vectors_;
  mutable Mutex mutex_;
  std::vector<Entry> table_ ABSL_GUARDED_BY(mutex_);
  // Whether the line has yet to learn the entry's message.
  std::vector<bool> stale_ ABSL_GUARDED_BY(mutex_);
  uint16_t control_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Binding> bindings_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_PCI_MSIX_H_
