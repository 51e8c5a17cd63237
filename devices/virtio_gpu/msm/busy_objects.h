#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_BUSY_OBJECTS_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_BUSY_OBJECTS_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "devices/virtio_gpu/msm/drm_device.h"

namespace nacre::msm {

// Closes GEM handles, those of objects that the GPU still works on when it is
// done: a program that is killed in the middle of a frame leaves such objects,
// and its kernel closes them at once. Until a sweep finds the object idle its
// handle and its file stay open, and its bytes are counted. For
//
// - up to Linux 6.16 the driver keeps a closed object, and its address, until
//   the work is done. A limit that did not count it would be none. And SET_IOVA
//   0 takes the address away under the work, which faults (6.1: EBUSY);
// - from 6.17 on (msm 1.13) GEM_CLOSE, and close() of the file, wait for the
//   work.
//
// Of an object that several contexts have, another one may submit work between
// the question and GEM_CLOSE. So it is closed only while no GEM_SUBMIT can name
// it, and is taken for busy otherwise: nobody waits for another's GEM_SUBMIT,
// which may take its time, and that waits for a few calls that do not wait for
// the GPU (but may free the object's pages: half a second of 8 GiB). To
// be one for all files that may have an object: those of one device's contexts,
// as dma-bufs go nowhere else.
//
// To ask of a busy object may take a tick of the kernel's clock, 1 to 10 ms
// (DrmFile::GemCpuPrep): few are asked of, as others most likely answer the
// same.
//
// Thread-safe. Uses a file only in calls of the context whose it is, or once
// nobody else does.
class BusyObjects {
 public:
  struct Object {
    std::shared_ptr<DrmFile> drm;
    uint32_t handle = 0;
    uint64_t iova = 0;  // What the kernel certainly has, or 0.
    bool may_have_iova = false;
    uint64_t size = 0;
    // The size is in Counters::object_bytes. An import's is while it is kept
    // here, since the object that it is of may go meanwhile; where that one is
    // still there the bytes count twice.
    bool is_counted = false;
    // Its context has asked, and made nothing of it since.
    bool known_idle = false;
    // Other files may have it, or have had it.
    bool is_shared = false;
  };

  // An object is in `counters` until it is closed.
  explicit BusyObjects(Counters& counters) : counters_(counters) {}
  // Closes what is left, which may wait.
  ~BusyObjects() = default;
  BusyObjects(const BusyObjects&) = delete;
  BusyObjects& operator=(const BusyObjects&) = delete;

  static bool IsBusy(DrmFile& drm, uint32_t handle);

  // To be shared in a GEM_SUBMIT of a file that has an object of several.
  SharedMutex& submits_of_shared() ABSL_LOCK_RETURNED(submits_of_shared_) {
    return submits_of_shared_;
  }

  // Now, or in a later Sweep. To be called by the object's context.
  void Close(Object object);
  // Closes some of those that have become idle: of `own`, the caller's file,
  // if any, and of files that are open for such objects alone. To be called
  // now and then by what a busy guest does; costs nothing while there are
  // none. True where one was still busy: a tick may have passed.
  bool Sweep(const DrmFile* own = nullptr) {
    return ABSL_PREDICT_FALSE(has_objects()) && SweepSome(own).met_busy;
  }
  bool has_objects() const {
    return has_objects_.load(std::memory_order_relaxed);
  }
  // The same of many more, where there is no room: not with each command.
  void SweepMore(const DrmFile* own = nullptr) {
    SweepMany(own, kPerLargeSweep);
  }
  // The same of all, of files that are open for such objects alone.
  void SweepAll() { SweepMany(nullptr, SIZE_MAX); }
  // An import met the handle, which is to be closed no more: what was known of
  // it, or nullopt for a handle that is not here.
  std::optional<Object> Reclaim(const DrmFile& drm, uint32_t handle);

 private:
  // Attack stopped: the time of one command, by thousands of busy objects. A
  // sweep ends at the first that is busy, a large one at the first after this.
  static constexpr size_t kPerSweep = 8;
  static constexpr std::chrono::milliseconds kLongSweep{50};
  // And by hundreds of thousands: half a second where all are idle and are
  // closed. No program has so many.
  static constexpr size_t kPerLargeSweep = size_t{1} << 16;

  bool HasAnyOf(const DrmFile& drm);
  struct Swept {
    size_t count = 0;  // Closed, or put at the end.
    bool met_busy = false;
  };
  Swept SweepSome(const DrmFile* own);
  void SweepMany(const DrmFile* own, size_t most);
  bool CloseIfIdle(const Object& object);
  void CloseNow(const Object& object);
  void Uncount(const Object& object);
  // As the first one of the list, or as the last.
  void Add(Object object, bool first) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The first one is out of the list.
  void Taken(const DrmFile* drm) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Counters& counters_;
  // Not to be had with `mutex_`.
  SharedMutex submits_of_shared_;
  std::atomic<bool> has_objects_{false};
  Mutex mutex_;
  std::deque<Object> objects_ ABSL_GUARDED_BY(mutex_);
  // How many of them each file has.
  absl::flat_hash_map<const DrmFile*, size_t> by_file_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_BUSY_OBJECTS_H_
