#include "tools/guest_kernel/control_queue.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "glog/logging.h"

namespace nacre::guest_kernel {
namespace {

using virtio::Descriptor;
using virtio_gpu::wire::CtrlHeader;
using virtio_gpu::wire::Type;

// A slot's memory: indirect table, command, response, and the payload where it
// is small, or else a long response. Strides are no multiples of a page, lest
// all slots compete for the same lines of the CPU's caches.
constexpr uint64_t kTableOffset = 0;
constexpr uint64_t kCommandOffset = 64;
constexpr uint64_t kResponseOffset = 192;
constexpr uint64_t kPayloadOffset = 256;
constexpr uint64_t kSlotStride = 4096 + 64;
constexpr uint64_t kSmallPayload = kSlotStride - kPayloadOffset;
constexpr uint64_t kShortResponse = kPayloadOffset - kResponseOffset;
static_assert(kCommandOffset + sizeof(CtrlHeader) + sizeof(GpuCommand::body) <=
              kResponseOffset);
static_assert(ControlQueue::kMaxResponse <= kSmallPayload);
// Large payloads: behind all slots, a place for each.
constexpr uint64_t kLargeStride = ControlQueue::kMaxPayload + kSlotStride;

constexpr uint64_t kSlotsAlignment = 64;
constexpr uint32_t kMaxLoggedErrors = 20;  // In a second.

uint64_t SlotsOffset(uint16_t size) {
  return (SplitRingDriver::SizeOf(size) + kSlotsAlignment - 1) /
         kSlotsAlignment * kSlotsAlignment;
}

uint64_t LargeOffset(uint16_t size, uint16_t slot) {
  return SlotsOffset(size) + kSlotStride * size + kLargeStride * slot;
}

// Long responses are to commands without payload.
uint64_t ResponseOffset(uint32_t size) {
  return size <= kShortResponse ? kResponseOffset : kPayloadOffset;
}

bool IsError(const CtrlHeader& response) {
  return response.type >= static_cast<uint32_t>(Type::kErrUnspec);
}

}  // namespace

uint64_t ControlQueue::SizeOf(uint16_t size) { return LargeOffset(size, size); }

ControlQueue::ControlQueue(const vmm::GuestMemory* memory, uint64_t address,
                           uint16_t size, DriverCounters* counters)
    : memory_(memory->FindPiece(address, SizeOf(size))),
      address_(address),
      slots_offset_(SlotsOffset(size)),
      counters_(counters),
      log_limiter_(kMaxLoggedErrors),
      slots_(size),
      ring_(*memory, address, size) {
  MutexLock lock(mutex_);
  for (uint16_t slot = size; slot-- > 0;) {
    ring_.SetTable(
        slot, address_ + SlotsOffset(size) + kSlotStride * slot + kTableOffset);
    free_.push_back(slot);
  }
}

void ControlQueue::Start(const EventFd* kick,
                         std::thread::id interrupt_thread) {
  kick_ = kick;
  interrupt_thread_ = interrupt_thread;
}

uint64_t ControlQueue::SlotOffset(uint16_t slot) const {
  return slots_offset_ + kSlotStride * slot;
}

void ControlQueue::ReadResponse(uint16_t slot, std::span<uint8_t> out) const {
  memory_.Read(SlotOffset(slot) + ResponseOffset(slots_[slot].response_size),
               out);
}

void ControlQueue::Queue(GpuCommand command, Kick kick) {
  if (std::this_thread::get_id() == interrupt_thread_) {
    CHECK(command.payload.empty());
    if (!deferred_.empty() || !QueueWhereThereIsRoom(command)) {
      deferred_.push_back(std::move(command));
    } else if (kick == Kick::kNow) {
      Notify();
    }
    return;
  }
  uint16_t slot = 0;
  {
    MutexLock lock(mutex_);
    if (free_.empty()) {
      counters_->queue_full_waits.Add();
      if (PrepareKick()) kick_->Signal();
      ++waiting_for_room_;
      while (free_.empty()) room_.Wait(mutex_);
      --waiting_for_room_;
      counters_->wake_ups.Add();
    }
    slot = TakeSlot();
  }
  QueueInSlot(slot, command, kick);
}

bool ControlQueue::QueueWhereThereIsRoom(GpuCommand& command) {
  uint16_t slot = 0;
  {
    MutexLock lock(mutex_);
    if (free_.empty()) return false;
    slot = TakeSlot();
  }
  QueueInSlot(slot, command, Kick::kLater);
  return true;
}

uint16_t ControlQueue::TakeSlot() {
  // The last one that came back: its lines are in the cache.
  const uint16_t slot = free_.back();
  free_.pop_back();
  return slot;
}

void ControlQueue::QueueInSlot(uint16_t slot, GpuCommand& command, Kick kick) {
  const uint32_t descriptors = Fill(slot, command);
  bool needs_kick = false;
  {
    MutexLock lock(mutex_);
    if (command.fence != nullptr) {
      command.header.flags |= virtio_gpu::wire::kFlagFence;
      command.header.fence_id = pending_fences_.Emit(std::move(command.fence));
      memory_.Write(SlotOffset(slot) + kCommandOffset, AsBytes(command.header));
      counters_->fences.Add();
    }
    ring_.Add(slot, descriptors);
    counters_->commands.Add();
    if (command.header.type == static_cast<uint32_t>(Type::kSubmit3d)) {
      counters_->submissions.Add();
    }
    unkicked_.store(true, std::memory_order_relaxed);
    if (kick == Kick::kNow) needs_kick = PrepareKick();
  }
  if (needs_kick) kick_->Signal();
}

uint32_t ControlQueue::Fill(uint16_t slot, GpuCommand& command) {
  Slot& state = slots_[slot];
  state.response_size = command.response_size;
  state.handler = std::move(command.handler);
  state.keep = std::move(command.keep);

  const uint64_t offset = SlotOffset(slot);
  const uint64_t body = offset + kCommandOffset + sizeof(command.header);
  memory_.Write(offset + kCommandOffset, AsBytes(command.header));
  memory_.Write(body, std::span(command.body).first(command.body_size));

  std::array<Descriptor, 3> table;
  uint16_t count = 0;
  const auto add = [&](uint64_t at, uint64_t length) {
    Descriptor& descriptor = table[count];
    ++count;
    descriptor = {.address = address_ + at,
                  .length = static_cast<uint32_t>(length),
                  .flags = virtio::kDescriptorNext,
                  .next = count};
  };
  add(offset + kCommandOffset, sizeof(command.header) + command.body_size);

  if (!command.payload.empty()) {
    const uint64_t payload =
        command.payload.size() <= kSmallPayload
            ? offset + kPayloadOffset
            : LargeOffset(static_cast<uint16_t>(slots_.size()), slot);
    memory_.Write(payload, command.payload);
    add(payload, command.payload.size());
  }

  static constexpr std::array<uint8_t, kMaxResponse> kZeroes = {};
  const uint64_t response = offset + ResponseOffset(command.response_size);
  memory_.Write(response, std::span(kZeroes).first(command.response_size));
  add(response, command.response_size);
  table[count - 1].flags = virtio::kDescriptorWrite;
  const std::span<const uint8_t> bytes = AsBytes(table);
  memory_.Write(offset + kTableOffset, bytes.first(count * sizeof(table[0])));
  return count;
}

bool ControlQueue::PrepareKick() {
  if (!unkicked_.load(std::memory_order_relaxed)) return false;
  unkicked_.store(false, std::memory_order_relaxed);
  const bool needed = ring_.PrepareKick();
  (needed ? counters_->kicks : counters_->kicks_suppressed).Add();
  return needed;
}

void ControlQueue::Notify() {
  if (!unkicked_.load(std::memory_order_relaxed)) return;
  bool needed = false;
  {
    MutexLock lock(mutex_);
    needed = PrepareKick();
  }
  if (needed) kick_->Signal();
}

void ControlQueue::Reap() {
  {
    MutexLock lock(mutex_);
    TakeResponses();
    if (waiting_for_room_ > 0) room_.SignalAll();
  }
  // First: what came before a fence is done when the fence is.
  if (!to_finish_.empty()) FinishSlots();
  for (const std::shared_ptr<Fence>& fence : to_signal_) fence->Signal();
  to_signal_.clear();
  while (!deferred_.empty() && QueueWhereThereIsRoom(deferred_.front())) {
    deferred_.pop_front();
  }
  Notify();
}

void ControlQueue::TakeResponses() {
  uint64_t count = 0;
  do {
    while (const std::optional<uint16_t> slot = ring_.TakeUsed()) {
      ++count;
      CtrlHeader response;
      ReadResponse(*slot, AsWritableBytes(response));
      if ((response.flags & virtio_gpu::wire::kFlagFence) != 0) {
        pending_fences_.Complete(response.fence_id, to_signal_);
      }
      const bool error = IsError(response);
      if (error) counters_->error_responses.Add();
      const Slot& state = slots_[*slot];
      if (error || state.handler != nullptr || state.keep != nullptr) {
        to_finish_.push_back(*slot);
      } else {
        free_.push_back(*slot);
      }
    }
  } while (!ring_.EnableInterrupts());
  counters_->reaped.Add(count);
  counters_->reaped_at_once.Set(count);
}

void ControlQueue::FinishSlots() {
  for (const uint16_t slot : to_finish_) {
    Slot& state = slots_[slot];
    if (state.handler != nullptr) {
      const auto response = std::span(response_).first(state.response_size);
      ReadResponse(slot, response);
      state.handler->OnResponse(response);
    } else {
      LogError(slot);
    }
    state.handler.reset();
    state.keep.reset();
  }
  MutexLock lock(mutex_);
  free_.insert(free_.end(), to_finish_.begin(), to_finish_.end());
  to_finish_.clear();
  if (waiting_for_room_ > 0) room_.SignalAll();
}

void ControlQueue::LogError(uint16_t slot) {
  CtrlHeader response;
  CtrlHeader command;
  ReadResponse(slot, AsWritableBytes(response));
  memory_.Read(SlotOffset(slot) + kCommandOffset, AsWritableBytes(command));
  if (!IsError(response) || !log_limiter_.Allow()) return;
  LOG(WARNING) << absl::StrFormat(
      "virtio_gpu: response %#x to command %#x of context %u", response.type,
      command.type, command.ctx_id);
}

}  // namespace nacre::guest_kernel
