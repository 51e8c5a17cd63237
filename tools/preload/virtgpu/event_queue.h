#ifndef NACRE_TOOLS_PRELOAD_VIRTGPU_EVENT_QUEUE_H_
#define NACRE_TOOLS_PRELOAD_VIRTGPU_EVENT_QUEUE_H_

#include <cstddef>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/mutex.h"

namespace nacre::preload {

// The events of an open file that read(2) gives (drm_file.c), of which the
// driver has one kind: VIRTGPU_EVENT_FENCE_SIGNALED. Thread-safe.
class EventQueue {
 public:
  // Of Linux: a file's events, those to come included, are at most this long.
  static constexpr size_t kMaxBytes = 4096;

  // `event` is kept readable while there are events.
  explicit EventQueue(EventFd event) : event_(std::move(event)) {}

  // Room for an event to come. ENOMEM where there is none.
  absl::Status Reserve();
  // The event comes, or never does.
  void Add();
  void Cancel();

  // Whole events, as many as there are and fit. EAGAIN where there are none; 0
  // where none fits.
  absl::StatusOr<size_t> Read(void* bytes, size_t size);

 private:
  const EventFd event_;
  Mutex mutex_;
  size_t reserved_ ABSL_GUARDED_BY(mutex_) = 0;  // Those that came included.
  size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_VIRTGPU_EVENT_QUEUE_H_
