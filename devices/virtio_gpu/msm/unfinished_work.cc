#include "devices/virtio_gpu/msm/unfinished_work.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace nacre::msm {
namespace {

bool IsSignalled(const Fd& fence) {
  pollfd fd = {.fd = fence.get(), .events = POLLIN, .revents = 0};
  return poll(&fd, 1, /*timeout=*/0) == 1;
}

}  // namespace

void UnfinishedWork::Sweep() {
  MutexLock lock(mutex_);
  Sweep(kPerSweep);
}

void UnfinishedWork::SweepAll() {
  MutexLock lock(mutex_);
  Sweep(shares_.size());
}

uint64_t UnfinishedWork::Take(Share& share, uint64_t bytes) {
  MutexLock lock(mutex_);
  ReleaseFinished(share);
  const uint64_t with_advance = bytes + kAdvance;
  if (Reserve(share, with_advance)) return with_advance;
  // Others may have finished since they asked.
  Sweep(kPerSweep);
  if (Reserve(share, with_advance)) return with_advance;
  return Reserve(share, bytes) ? bytes : 0;
}

void UnfinishedWork::GiveBack(Share& share, uint64_t bytes) {
  MutexLock lock(mutex_);
  Release(share, bytes);
}

void UnfinishedWork::AddCheckpoint(const std::shared_ptr<Share>& share,
                                   uint32_t ring, Fd fence, uint64_t bytes) {
  MutexLock lock(mutex_);
  if (!fence.valid() || IsSignalled(fence)) {
    Release(*share, bytes);
    return;
  }
  auto at =
      std::find_if(share->rings.begin(), share->rings.end(),
                   [&](const Ring& other) { return other.index == ring; });
  if (at == share->rings.end()) {
    at = share->rings.insert(at, {.index = ring, .oldest = {}, .newest = {}});
  }
  Checkpoint& checkpoint = at->oldest.fence.valid() ? at->newest : at->oldest;
  checkpoint.fence = std::move(fence);
  checkpoint.bytes += bytes;
  if (share->listed) return;
  share->listed = true;
  shares_.push_back(share);
}

bool UnfinishedWork::Reserve(Share& share, uint64_t bytes) {
  const uint64_t most_here = limits_.max_context_unfinished_bytes;
  if (share.bytes > most_here || bytes > most_here - share.bytes ||
      !counters_.unfinished_bytes.AddUpTo(limits_.max_unfinished_bytes,
                                          bytes)) {
    return false;
  }
  share.bytes += bytes;
  return true;
}

void UnfinishedWork::Release(Share& share, uint64_t bytes) {
  share.bytes -= bytes;
  counters_.unfinished_bytes.Subtract(bytes);
}

bool UnfinishedWork::ReleaseFinished(Share& share) {
  bool has_more = false;
  for (Ring& ring : share.rings) {
    while (ring.oldest.fence.valid() && IsSignalled(ring.oldest.fence)) {
      Release(share, ring.oldest.bytes);
      ring.oldest = std::exchange(ring.newest, {});
    }
    has_more |= ring.oldest.fence.valid();
  }
  return has_more;
}

void UnfinishedWork::Sweep(size_t count) {
  for (size_t n = std::min(shares_.size(), count); n != 0; --n) {
    std::shared_ptr<Share> share = std::move(shares_.front());
    shares_.pop_front();
    share->listed = ReleaseFinished(*share);
    if (share->listed) shares_.push_back(std::move(share));
  }
}

ContextWork::ContextWork(UnfinishedWork& all)
    : all_(all), share_(std::make_shared<UnfinishedWork::Share>()) {}

ContextWork::~ContextWork() {
  uint64_t rest = 0;
  for (const uint64_t taken : taken_) rest += taken;
  all_.GiveBack(*share_, rest);
}

absl::Status ContextWork::TakeMore(uint32_t ring, uint32_t bytes,
                                   MakeFence make_fence) {
  if (HasCheckpointDue(ring)) {
    // One that cannot be made now may be with the next submission, which finds
    // the same.
    if (absl::StatusOr<Fd> fence = make_fence(ring); fence.ok()) {
      all_.AddCheckpoint(share_, ring, *std::move(fence),
                         taken_[ring] - advance_[ring]);
      taken_[ring] = advance_[ring];
    }
  }
  const uint64_t taken = all_.Take(*share_, bytes - advance_[ring]);
  if (taken == 0) {
    return ErrnoStatus(
        ENOMEM, absl::StrCat("GEM_SUBMIT that takes ", bytes,
                             " bytes, behind as many submissions as may wait"));
  }
  taken_[ring] += taken;
  advance_[ring] += static_cast<uint32_t>(taken) - bytes;
  return absl::OkStatus();
}

void ContextWork::End(MakeFence make_fence) {
  for (uint32_t ring = 0; ring < kRings; ++ring) {
    if (!HasCheckpointDue(ring)) continue;
    absl::StatusOr<Fd> fence = make_fence(ring);
    if (!fence.ok()) continue;
    // With what is left of the advance: whoever has many contexts with little
    // work each has a descriptor for each.
    all_.AddCheckpoint(share_, ring, *std::move(fence), taken_[ring]);
    taken_[ring] = advance_[ring] = 0;
  }
}

}  // namespace nacre::msm
