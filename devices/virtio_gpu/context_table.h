#ifndef NACRE_DEVICES_VIRTIO_GPU_CONTEXT_TABLE_H_
#define NACRE_DEVICES_VIRTIO_GPU_CONTEXT_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/limits.h"
#include "devices/virtio_gpu/relay.h"
#include "devices/virtio_gpu/resource.h"
#include "devices/virtio_gpu/resource_table.h"

namespace nacre::virtio_gpu {

// The guest's contexts by id, and which resources are attached to which.
// Linux recycles a context's id at once while commands about the old one may
// still come; `incarnation` tells them apart and is never used again.
class ContextTable {
 public:
  struct Entry {
    uint32_t id;
    uint64_t incarnation;  // Non-zero.
    // Null for a context without a dialect, which Linux makes for clients that
    // only handle 2D buffers.
    std::unique_ptr<Context> context;
    absl::flat_hash_set<uint32_t> resources;  // Attached ones.
  };

  // Calls into contexts are made by way of `relay`, which outlives the table:
  // whoever leads meanwhile finds in the tables what they said before.
  ContextTable(const Limits& limits, Relay& relay)
      : limits_(limits), relay_(relay) {}

  size_t size() const { return contexts_.size(); }

  // Null where there is none.
  Entry* Find(uint32_t id) {
    // Commands of a context come in a row.
    if (ABSL_PREDICT_TRUE(last_found_ != nullptr && last_found_->id == id)) {
      return last_found_;
    }
    return FindAnother(id);
  }

  // Whether a context of this id could be created now: ContextIdError for 0
  // or one in use, ResourceExhausted where the table is full.
  absl::Status CheckNew(uint32_t id) const;
  // CheckNew has said yes.
  void Add(uint32_t id, std::unique_ptr<Context> context);

  // Attached already is fine. ResourceExhausted beyond max_attachments, or the
  // context's error.
  absl::Status Attach(Entry& entry, Resource& resource);
  // As Attach for a resource that the entry's context has just made, which
  // knows it already. Cannot fail: such ones are bounded by max_resources.
  void AddAttached(Entry& entry, Resource& resource);
  // Not attached is fine.
  void Detach(Entry& entry, Resource& resource);
  // From every context it is attached to.
  void DetachEverywhere(Resource& resource);

  // Destroys it, and forgets what is attached to it, of `resources`.
  void Remove(Entry& entry, ResourceTable& resources);

  // Cancels every context, and from now on each that is added. Any thread.
  void CancelAll();

 private:
  Entry* FindAnother(uint32_t id);

  const Limits limits_;
  Relay& relay_;
  // By pointer: references survive growth.
  absl::flat_hash_map<uint32_t, std::unique_ptr<Entry>> contexts_;
  Entry* last_found_ = nullptr;
  uint64_t last_incarnation_ = 0;
  size_t attachments_ = 0;

  // For CancelAll: the contexts that exist.
  Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<Context*> alive_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_CONTEXT_TABLE_H_
