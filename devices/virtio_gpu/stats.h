#ifndef NACRE_DEVICES_VIRTIO_GPU_STATS_H_
#define NACRE_DEVICES_VIRTIO_GPU_STATS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/counter.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

// What the device did since it was created (resets do not clear it), for the
// VMM's summary. Written by the device's threads, readable from any at any
// time.
struct Stats {
  static constexpr size_t kNumCommandSlots = 27;
  static constexpr size_t kNumErrorSlots = 6;

  // Commands received, of one type; those of unknown types share a slot.
  Counter& commands(wire::Type type) { return commands_[CommandSlot(type)]; }
  const Counter& commands(wire::Type type) const {
    return commands_[CommandSlot(type)];
  }
  uint64_t total_commands() const;
  // Error responses, of one response type (wire::Type::kErr*).
  Counter& errors(wire::Type type);
  const Counter& errors(wire::Type type) const;
  uint64_t total_errors() const;

  Counter submissions;       // SUBMIT_3D that reached a context...
  Counter submission_bytes;  // ... and their payload.
  Counter submissions_failed;
  Counter fences_created;  // Commands that carried VIRTIO_GPU_FLAG_FENCE.
  Counter fences_waited;   // Of these, ones that had to wait for a fence fd.
  // Both by who executes commands and by who watches fences.
  SharedCounter fences_completed;
  Gauge fences_pending;
  // Calls into a context that blocked, so that another thread went on with what
  // was for others...
  Counter reliefs;
  Counter parked_commands;  // ... and the commands that had to wait for it.
  Counter kicks;            // Wake-ups of the device by the driver.
  Counter interrupts;       // Used buffer notifications sent.
  Counter broken_queues;    // Times the driver broke a ring: NEEDS_RESET.
  Counter activations;
  Counter contexts_created;
  Gauge contexts;
  Counter resources_created;
  Gauge resources;
  Gauge image_bytes;  // Pixels of 2D resources.
  // Blobs and places in the window that are no whole pages of the host, whose
  // pages are larger than the guest's: see VirtioGpu.
  Counter misaligned_blobs;
  Gauge mapped_blobs;  // In the host-visible window.
  Gauge mapped_bytes;

 private:
  // Slot 0 is for unknown types.
  static constexpr size_t CommandSlot(wire::Type type) {
    using enum wire::Type;
    const auto behind = [type](wire::Type first) {
      return static_cast<uint32_t>(type) - static_cast<uint32_t>(first);
    };
    constexpr size_t kFirst2d = 1;
    constexpr size_t kFirst3d = kFirst2d + 14;
    constexpr size_t kFirstCursor = kFirst3d + 10;
    static_assert(kFirstCursor + 2 == kNumCommandSlots);
    if (behind(kCtxCreate) < 10) return kFirst3d + behind(kCtxCreate);
    if (behind(kGetDisplayInfo) < 14) return kFirst2d + behind(kGetDisplayInfo);
    if (behind(kUpdateCursor) < 2) return kFirstCursor + behind(kUpdateCursor);
    return 0;
  }

  std::array<Counter, kNumCommandSlots> commands_;
  std::array<Counter, kNumErrorSlots> errors_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_STATS_H_
