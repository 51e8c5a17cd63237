#include "vmm/pci/msix.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::vmm {
namespace {

constexpr uint8_t kCapabilityId = 0x11;

}  // namespace

absl::StatusOr<std::unique_ptr<Msix>> Msix::Create(MsiController* controller,
                                                   uint32_t requester_id,
                                                   uint16_t vectors) {
  if (vectors == 0 || vectors > kMaxVectors) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%d MSI-X vectors: must be 1 to %d", vectors, kMaxVectors));
  }
  std::vector<std::unique_ptr<Vector>> result;
  for (uint16_t i = 0; i < vectors; ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<MsiLine> line,
                     controller->CreateMsiLine(requester_id));
    result.push_back(std::make_unique<Vector>(std::move(line)));
  }
  return std::unique_ptr<Msix>(new Msix(std::move(result)));
}

Msix::Msix(std::vector<std::unique_ptr<Vector>> vectors)
    : vectors_(std::move(vectors)),
      table_(vectors_.size()),
      stale_(vectors_.size(), true) {}

uint8_t Msix::AddCapability(ConfigSpace& config, uint8_t bar,
                            uint32_t table_offset,
                            uint32_t pending_offset) const {
  struct [[gnu::packed]] {
    uint16_t control;
    uint32_t table;
    uint32_t pending;
  } body = {static_cast<uint16_t>(vectors() - 1), table_offset | bar,
            pending_offset | bar};
  auto writable = body;
  writable = {kEnable | kFunctionMask, 0, 0};
  return config.AddCapability(kCapabilityId, AsBytes(body), AsBytes(writable));
}

void Msix::SetControl(uint16_t control) {
  MutexLock lock(mutex_);
  if (control_ == control) return;
  control_ = control;
  for (uint16_t i = 0; i < vectors(); ++i) Update(i);
}

void Msix::ReadTable(uint64_t offset, std::span<uint8_t> data) {
  MutexLock lock(mutex_);
  if (!RangeFits(offset, data.size(), table_size())) {
    std::fill(data.begin(), data.end(), uint8_t{0});
    return;
  }
  std::memcpy(data.data(),
              reinterpret_cast<const uint8_t*>(table_.data()) + offset,
              data.size());
}

void Msix::WriteTable(uint64_t offset, std::span<const uint8_t> data) {
  if ((data.size() != 4 && data.size() != 8) ||
      !IsAligned(offset, data.size()) ||
      !RangeFits(offset, data.size(), table_size())) {
    return;
  }
  const uint16_t vector = static_cast<uint16_t>(offset / kEntrySize);
  MutexLock lock(mutex_);
  Entry& entry = table_[vector];
  const Entry before = entry;
  std::memcpy(reinterpret_cast<uint8_t*>(&entry) + offset % kEntrySize,
              data.data(), data.size());
  entry.control &= kMaskBit;
  if (entry.address_low != before.address_low ||
      entry.address_high != before.address_high || entry.data != before.data) {
    stale_[vector] = true;
  }
  Update(vector);
}

void Msix::ReadPending(uint64_t offset, std::span<uint8_t> data) const {
  for (size_t i = 0; i < data.size(); ++i) {
    uint8_t bits = 0;
    const uint64_t byte = offset + i;
    for (uint64_t bit = 0; bit < 8 && byte * 8 + bit < vectors(); ++bit) {
      if (vectors_[byte * 8 + bit]->pending) {
        bits = static_cast<uint8_t>(bits | (1u << bit));
      }
    }
    data[i] = bits;
  }
}

void Msix::Update(uint16_t index) {
  Vector& vector = *vectors_[index];
  const Entry& entry = table_[index];
  if ((control_ & kEnable) == 0) {
    vector.state = State::kOff;
    AttachAll(index, false);
    vector.pending = false;
    return;
  }
  if ((control_ & kFunctionMask) != 0 || (entry.control & kMaskBit) != 0) {
    vector.state = State::kMasked;
    AttachAll(index, false);
    return;
  }
  // The hypervisor learns a message only when it matters: guests write it in
  // three pieces, and each change is a system call.
  if (stale_[index]) {
    const absl::Status status = vector.line->SetMessage(
        uint64_t{entry.address_high} << 32 | entry.address_low, entry.data);
    if (!status.ok()) {
      LOG_FIRST_N(WARNING, 10) << "MSI-X vector " << index
                               << ": interrupts will be slow: " << status;
    }
    stale_[index] = !status.ok();
  }
  vector.state = State::kOpen;
  AttachAll(index, !stale_[index]);
  if (vector.pending.exchange(false)) vector.line->Trigger();
}

void Msix::Trigger(uint16_t index) {
  if (index >= vectors_.size()) return;
  Vector& vector = *vectors_[index];
  const State state = vector.state;
  if (state == State::kOff) return;
  if (state == State::kMasked) {
    vector.pending = true;
    // Unmasked meanwhile? Then one of the two sides takes the pending bit.
    if (vector.state != State::kOpen || !vector.pending.exchange(false)) return;
  }
  vector.line->Trigger();
}

void Msix::Bind(uint16_t vector, const EventFd* event) {
  if (vector >= vectors_.size()) return;
  MutexLock lock(mutex_);
  Binding& binding =
      bindings_.emplace_back(Binding{.vector = vector, .event = event});
  Attach(binding, vectors_[vector]->state == State::kOpen && !stale_[vector]);
}

void Msix::Unbind(const EventFd* event) {
  MutexLock lock(mutex_);
  const auto it =
      std::find_if(bindings_.begin(), bindings_.end(),
                   [event](const Binding& b) { return b.event == event; });
  if (it == bindings_.end()) return;
  Attach(*it, false);
  bindings_.erase(it);
}

void Msix::Attach(Binding& binding, bool attach) {
  if (binding.attached == attach) return;
  MsiLine& line = *vectors_[binding.vector]->line;
  if (attach) {
    binding.attached = line.Attach(*binding.event);
  } else {
    line.Detach(*binding.event);
    binding.attached = false;
  }
}

void Msix::AttachAll(uint16_t vector, bool attach) {
  for (Binding& binding : bindings_) {
    if (binding.vector == vector) Attach(binding, attach);
  }
}

void Msix::Reset() {
  MutexLock lock(mutex_);
  control_ = 0;
  for (uint16_t i = 0; i < vectors(); ++i) {
    table_[i] = Entry();
    stale_[i] = true;
    Update(i);
  }
}

}  // namespace nacre::vmm
