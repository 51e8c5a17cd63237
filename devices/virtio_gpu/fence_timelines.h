#ifndef NACRE_DEVICES_VIRTIO_GPU_FENCE_TIMELINES_H_
#define NACRE_DEVICES_VIRTIO_GPU_FENCE_TIMELINES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace nacre::virtio_gpu {

// Which fences follow which: those of one timeline complete in the order in
// which they were added, those of different ones have nothing to do with each
// other. `owner` is never used twice for different things, so that a new owner
// waits for nothing of the one before.
struct TimelineId {
  uint64_t owner = 0;
  uint32_t ring = 0;

  static TimelineId Global() { return {}; }

  friend bool operator==(const TimelineId&, const TimelineId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const TimelineId& id) {
    return H::combine(std::move(h), id.owner, id.ring);
  }
};

// The order of fences, as pure logic: what waits outside, who signals it and
// who takes the lock are for others. `Payload` (movable) is what to do when a
// fence completes. Each completes exactly once, strictly in order within its
// timeline, never before it and all earlier ones are signalled. A timeline
// costs nothing while no fence of it is pending; adding and signalling one cost
// the same however many are pending, and allocate only to grow.
template <typename Payload>
class FenceTimelines {
 public:
  // Names a pending fence; never used again, so that a late Signal is ignored.
  using Token = uint64_t;

  size_t pending() const { return pending_; }

  // Adds a fence that is to be signalled by its token.
  Token AddPending(const TimelineId& timeline, Payload payload) {
    const uint32_t index = Append(timeline, std::move(payload));
    return TokenOf(index);
  }

  // Adds a fence that has nothing to wait for. Gives the payload straight back
  // where no earlier fence of the timeline is pending: it is complete.
  std::optional<Payload> AddSignalled(const TimelineId& timeline,
                                      Payload payload) {
    if (!timelines_.contains(timeline)) return payload;
    fences_[Append(timeline, std::move(payload))].signalled = true;
    return std::nullopt;
  }

  // The fence's payload; null for tokens that are unknown or spent.
  Payload* Find(Token token) {
    const auto index = static_cast<uint32_t>(token);
    if (index >= fences_.size() || !fences_[index].payload ||
        TokenOf(index) != token) {
      return nullptr;
    }
    return &*fences_[index].payload;
  }

  // Signals a fence. What completes by it is for TakeCompleted, of the timeline
  // returned. Nullopt for tokens that are unknown or spent: nothing happens.
  std::optional<TimelineId> Signal(Token token) {
    if (Find(token) == nullptr) return std::nullopt;
    const auto index = static_cast<uint32_t>(token);
    fences_[index].signalled = true;
    return fences_[index].timeline;
  }

  // The next fence of the timeline that is complete, in order; nullopt when
  // there is none.
  std::optional<Payload> TakeCompleted(const TimelineId& id) {
    const auto timeline = timelines_.find(id);
    if (timeline == timelines_.end()) return std::nullopt;
    const uint32_t head = timeline->second.head;
    if (!fences_[head].signalled) return std::nullopt;
    if (fences_[head].next == kNone) {
      timelines_.erase(timeline);
    } else {
      timeline->second.head = fences_[head].next;
    }
    return Take(head);
  }

  // Forgets every fence: `drop(Payload)` for each, in no order.
  template <typename Drop>
  void Clear(Drop&& drop) {
    timelines_.clear();
    for (uint32_t i = 0; i < fences_.size(); ++i) {
      if (fences_[i].payload) drop(Take(i));
    }
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Fence {
    std::optional<Payload> payload;  // Empty in a free slot.
    TimelineId timeline;
    uint32_t next = kNone;  // Later in the timeline, or in the free list.
    uint32_t generation = 0;
    bool signalled = false;
  };
  struct Timeline {
    uint32_t head;  // The earliest pending fence...
    uint32_t tail;  // ... and the latest.
  };

  Token TokenOf(uint32_t index) const {
    return uint64_t{fences_[index].generation} << 32 | index;
  }

  uint32_t Append(const TimelineId& id, Payload payload) {
    uint32_t index = free_;
    if (index == kNone) {
      index = static_cast<uint32_t>(fences_.size());
      fences_.emplace_back();
    } else {
      free_ = fences_[index].next;
    }
    Fence& fence = fences_[index];
    fence.payload.emplace(std::move(payload));
    fence.timeline = id;
    fence.next = kNone;
    fence.signalled = false;
    const auto [it, inserted] =
        timelines_.try_emplace(id, Timeline{index, index});
    if (!inserted) {
      fences_[it->second.tail].next = index;
      it->second.tail = index;
    }
    ++pending_;
    return index;
  }

  Payload Take(uint32_t index) {
    Fence& fence = fences_[index];
    Payload payload = *std::move(fence.payload);
    fence.payload.reset();
    ++fence.generation;
    fence.next = free_;
    free_ = index;
    --pending_;
    return payload;
  }

  std::vector<Fence> fences_;
  uint32_t free_ = kNone;
  absl::flat_hash_map<TimelineId, Timeline> timelines_;
  size_t pending_ = 0;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_FENCE_TIMELINES_H_
