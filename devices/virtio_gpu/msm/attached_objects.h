#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_ATTACHED_OBJECTS_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_ATTACHED_OBJECTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/optimization.h"
#include "devices/virtio_gpu/msm/gem.h"

namespace nacre::msm {

// GEM objects by resource id, for submits that look thousands of them up: a
// look-up is a multiplication and, nearly always, one line of cache, in which
// the handle is too. A hash table (open addressing, linear probing, at most
// half full) whose hash function is chosen at random when the process starts:
// a guest chooses the ids, but cannot choose ones that collide. Grows and
// shrinks with what is in it.
class AttachedObjects {
 public:
  AttachedObjects();
  AttachedObjects(const AttachedObjects&) = delete;
  AttachedObjects& operator=(const AttachedObjects&) = delete;

  size_t size() const { return size_; }

  // The GEM handle, or 0 where there is no such resource.
  uint32_t FindHandle(uint32_t resource_id) const;
  // FindHandle for many: valid until the table changes.
  class Handles;
  Handles handles() const;

  // Null where there is no such resource.
  GemObject* Find(uint32_t resource_id) const {
    return objects_[IndexOf(resource_id)].get();
  }

  // False where the resource is there already. The object's handle is not 0, as
  // no handle is.
  bool Insert(uint32_t resource_id, std::shared_ptr<GemObject> object);
  // Null where there is no such resource.
  std::shared_ptr<GemObject> Erase(uint32_t resource_id);

 private:
  struct Slot {
    uint32_t resource_id = 0;
    uint32_t handle = 0;  // 0: free.
  };
  static constexpr int kFirstBits = 4;

  size_t HashOf(uint32_t resource_id) const {
    return resource_id * factor_ >> shift_;
  }
  // Of the resource's slot, or of the free one where it would be.
  size_t IndexOf(uint32_t resource_id) const {
    size_t index = HashOf(resource_id);
    while (slots_[index].handle != 0 &&
           slots_[index].resource_id != resource_id) {
      index = (index + 1) & mask_;
    }
    return index;
  }
  void Resize(int bits);

  const uint64_t factor_;  // Random, odd.
  int shift_ = 64 - kFirstBits;
  size_t mask_ = (size_t{1} << kFirstBits) - 1;
  size_t size_ = 0;
  std::vector<Slot> slots_{mask_ + 1};
  std::vector<std::shared_ptr<GemObject>> objects_{mask_ + 1};  // As slots_.
};

// What a look-up needs, where a loop has it in registers.
class AttachedObjects::Handles {
 public:
  explicit Handles(const AttachedObjects& objects)
      : factor_(objects.factor_),
        shift_(objects.shift_),
        slots_(objects.slots_.data()),
        objects_(objects) {}

  uint32_t Find(uint32_t resource_id) const {
    const Slot slot = slots_[resource_id * factor_ >> shift_];
    // A free one has the id 0, and the handle of none.
    if (ABSL_PREDICT_TRUE(slot.resource_id == resource_id)) return slot.handle;
    return objects_.slots_[objects_.IndexOf(resource_id)].handle;
  }

 private:
  const uint64_t factor_;
  const int shift_;
  const Slot* const slots_;
  const AttachedObjects& objects_;
};

inline AttachedObjects::Handles AttachedObjects::handles() const {
  return Handles(*this);
}
inline uint32_t AttachedObjects::FindHandle(uint32_t resource_id) const {
  return handles().Find(resource_id);
}

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_ATTACHED_OBJECTS_H_
