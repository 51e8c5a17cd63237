#include "tools/preload/virtgpu/event_queue.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/errno_status.h"
#include "tools/preload/virtgpu/virtgpu_uapi.h"

namespace nacre::preload {
namespace {

constexpr drm_virtgpu_event kEvent = {.type = VIRTGPU_EVENT_FENCE_SIGNALED,
                                      .length = sizeof(drm_virtgpu_event)};

}  // namespace

absl::Status EventQueue::Reserve() {
  MutexLock lock(mutex_);
  if ((reserved_ + 1) * sizeof(kEvent) > kMaxBytes) {
    return ErrnoStatus(ENOMEM, "event that nobody reads");
  }
  ++reserved_;
  return absl::OkStatus();
}

void EventQueue::Add() {
  MutexLock lock(mutex_);
  if (count_++ == 0) event_.Signal();
}

void EventQueue::Cancel() {
  MutexLock lock(mutex_);
  --reserved_;
}

absl::StatusOr<size_t> EventQueue::Read(void* bytes, size_t size) {
  MutexLock lock(mutex_);
  if (count_ == 0) return ErrnoStatus(EAGAIN, "read of no event");
  const size_t events = std::min(count_, size / sizeof(kEvent));
  auto* out = static_cast<char*>(bytes);
  for (size_t i = 0; i < events; ++i) {
    std::memcpy(out + i * sizeof(kEvent), &kEvent, sizeof(kEvent));
  }
  count_ -= events;
  reserved_ -= events;
  if (count_ == 0) event_.Clear();
  return events * sizeof(kEvent);
}

}  // namespace nacre::preload
