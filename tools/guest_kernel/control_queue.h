#ifndef NACRE_TOOLS_GUEST_KERNEL_CONTROL_QUEUE_H_
#define NACRE_TOOLS_GUEST_KERNEL_CONTROL_QUEUE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/bytes.h"
#include "base/event_fd.h"
#include "base/log_limiter.h"
#include "base/mutex.h"
#include "devices/virtio_gpu/wire.h"
#include "tools/guest_kernel/counters.h"
#include "tools/guest_kernel/fence.h"
#include "tools/guest_kernel/split_ring_driver.h"
#include "vmm/guest_memory.h"

namespace nacre::guest_kernel {

// Who waits for a command's response. Called on the interrupt thread, without
// locks; must not block.
class ResponseHandler {
 public:
  virtual ~ResponseHandler() = default;
  // Header and body, as much as was asked for; zero where the device did not
  // write.
  virtual void OnResponse(std::span<const uint8_t> response) = 0;
};

// A command as it is handed to the control queue.
struct GpuCommand {
  explicit GpuCommand(virtio_gpu::wire::Type type, uint32_t ctx_id = 0) {
    header.type = static_cast<uint32_t>(type);
    header.ctx_id = ctx_id;
  }
  template <WireType T>
  GpuCommand& With(const T& fixed) {
    static_assert(sizeof(T) <= sizeof(body));
    std::memcpy(body.data(), &fixed, sizeof(T));
    body_size = sizeof(T);
    return *this;
  }

  virtio_gpu::wire::CtrlHeader header = {};
  std::array<uint8_t, sizeof(virtio_gpu::wire::CtxCreate)> body;
  uint32_t body_size = 0;
  // Copied as it is queued; at most ControlQueue::kMaxPayload bytes.
  std::span<const uint8_t> payload;
  uint32_t response_size = sizeof(virtio_gpu::wire::CtrlHeader);
  // Null: errors are logged.
  std::shared_ptr<ResponseHandler> handler;
  // Let go, on the interrupt thread, when the response has come.
  std::shared_ptr<const void> keep;
  // Gets its number as the command is queued.
  std::shared_ptr<Fence> fence;
};

// virtio-gpu's control queue as Linux's virtgpu_vq.c drives it. A command is
// one readable descriptor with its fixed part, one with its payload, one
// writable with the response, all in an indirect table. Table, command, payload
// and response lie in the guest's RAM where they always do for the ring's slot,
// so that nothing is allocated for them.
//
// Thread-safe; Reap is for the interrupt thread alone.
class ControlQueue {
 public:
  static constexpr uint64_t kMaxPayload = 4 << 20;
  static constexpr uint32_t kMaxResponse = 2048;

  // Bytes of RAM for a queue of `size`: address space, of which it touches what
  // it needs.
  static uint64_t SizeOf(uint16_t size);

  // At guest address `address`, where `memory` has SizeOf(size) bytes of
  // zeroes. Both pointers outlive this.
  ControlQueue(const vmm::GuestMemory* memory, uint64_t address, uint16_t size,
               DriverCounters* counters);
  ControlQueue(const ControlQueue&) = delete;
  ControlQueue& operator=(const ControlQueue&) = delete;

  QueueAddresses addresses() {
    MutexLock lock(mutex_);
    return ring_.addresses();
  }
  // What to kick, and who calls Reap: before the first command.
  void Start(const EventFd* kick, std::thread::id interrupt_thread);

  enum class Kick { kLater, kNow };

  // Queues `command` behind those of earlier calls, with `kNow` as if Notify
  // followed. Sleeps while the ring is full. Not so on the interrupt thread,
  // whose work makes room: there the command may have to wait, and has no
  // payload.
  void Queue(GpuCommand command, Kick kick);

  // Kicks for what was queued since the last time, where the device asked for
  // it (virtio_gpu_notify).
  void Notify();

  // After an interrupt: takes what the device has returned, signals fences,
  // tells handlers, lets waiting commands follow.
  void Reap();

 private:
  struct Slot {
    uint32_t response_size = 0;
    std::shared_ptr<ResponseHandler> handler;
    std::shared_ptr<const void> keep;
  };

  uint16_t TakeSlot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Writes all but the fence into the slot's memory. Returns the number of
  // descriptors.
  uint32_t Fill(uint16_t slot, GpuCommand& command);
  // Whether to kick.
  bool PrepareKick() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False where there was no room.
  bool QueueWhereThereIsRoom(GpuCommand& command);
  void QueueInSlot(uint16_t slot, GpuCommand& command, Kick kick);
  void TakeResponses() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Tells whom to_finish_'s slots have to tell, and frees them.
  void FinishSlots();
  void LogError(uint16_t slot);

  // Of the slot's memory, from address_.
  uint64_t SlotOffset(uint16_t slot) const;
  // Copies the response's first bytes.
  void ReadResponse(uint16_t slot, std::span<uint8_t> out) const;

  const vmm::GuestMemory::Piece memory_;
  const uint64_t address_;
  const uint64_t slots_offset_;  // Of the first slot's memory.
  DriverCounters* const counters_;
  const EventFd* kick_ = nullptr;
  std::thread::id interrupt_thread_;
  LogLimiter log_limiter_;

  std::vector<Slot> slots_;  // Each its user's; the device's while it is out.
  std::atomic<bool> unkicked_{false};  // Changes under the lock.

  Mutex mutex_;
  CondVar room_;
  SplitRingDriver ring_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint16_t> free_ ABSL_GUARDED_BY(mutex_);
  int waiting_for_room_ ABSL_GUARDED_BY(mutex_) = 0;
  PendingFences pending_fences_ ABSL_GUARDED_BY(mutex_);

  // The interrupt thread's alone.
  std::vector<uint16_t> to_finish_;  // Slots with somebody to tell.
  std::vector<std::shared_ptr<Fence>> to_signal_;
  std::array<uint8_t, kMaxResponse> response_;  // The handler's copy.
  std::deque<GpuCommand> deferred_;
};

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_CONTROL_QUEUE_H_
