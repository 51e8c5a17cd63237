#include "devices/virtio_gpu/msm/attached_objects.h"

#include <algorithm>
#include <random>
#include <utility>

namespace nacre::msm {
namespace {

// Whether the products of ids in a row, which are what a guest's kernel gives
// out, are far from each other: as evenly spread, nearly, as those with the
// golden ratio.
bool SpreadsSequences(uint64_t factor) {
  constexpr uint64_t kLongest = 4096;
  constexpr uint64_t kSlack = 5;
  for (uint64_t step = 1; step <= kLongest; ++step) {
    const uint64_t distance = step * factor;
    if (std::min(distance, -distance) < UINT64_MAX / (kSlack * step)) {
      return false;
    }
  }
  return true;
}

// Odd.
uint64_t RandomFactor() {
  std::random_device random;
  while (true) {
    const uint64_t factor = (uint64_t{random()} << 32 | random()) | 1;
    if (SpreadsSequences(factor)) return factor;
  }
}

}  // namespace

AttachedObjects::AttachedObjects()
    : factor_([] {
        static const uint64_t factor = RandomFactor();
        return factor;
      }()) {}

bool AttachedObjects::Insert(uint32_t resource_id,
                             std::shared_ptr<GemObject> object) {
  if (2 * (size_ + 1) > slots_.size()) Resize(64 - shift_ + 1);
  const size_t index = IndexOf(resource_id);
  if (slots_[index].handle != 0) return false;
  slots_[index] = {resource_id, object->handle()};
  objects_[index] = std::move(object);
  ++size_;
  return true;
}

std::shared_ptr<GemObject> AttachedObjects::Erase(uint32_t resource_id) {
  size_t hole = IndexOf(resource_id);
  if (slots_[hole].handle == 0) return nullptr;
  std::shared_ptr<GemObject> object = std::move(objects_[hole]);
  --size_;
  // What is behind moves up where a look-up would now stop short of it: where
  // the hole lies between the place of its hash and its own.
  for (size_t index = (hole + 1) & mask_; slots_[index].handle != 0;
       index = (index + 1) & mask_) {
    const size_t home = HashOf(slots_[index].resource_id);
    if (((index - home) & mask_) < ((index - hole) & mask_)) continue;
    slots_[hole] = slots_[index];
    objects_[hole] = std::move(objects_[index]);
    hole = index;
  }
  slots_[hole] = {};
  objects_[hole] = nullptr;
  const int bits = 64 - shift_;
  if (bits > kFirstBits && 8 * size_ < slots_.size()) Resize(bits - 1);
  return object;
}

void AttachedObjects::Resize(int bits) {
  const std::vector<Slot> slots =
      std::exchange(slots_, std::vector<Slot>(size_t{1} << bits));
  std::vector<std::shared_ptr<GemObject>> objects = std::exchange(
      objects_, std::vector<std::shared_ptr<GemObject>>(size_t{1} << bits));
  shift_ = 64 - bits;
  mask_ = slots_.size() - 1;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].handle == 0) continue;
    const size_t index = IndexOf(slots[i].resource_id);
    slots_[index] = slots[i];
    objects_[index] = std::move(objects[i]);
  }
}

}  // namespace nacre::msm
