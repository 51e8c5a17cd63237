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

UnfinishedWork::Taken UnfinishedWork::Take(Share& share, uint32_t ring,
                                           uint64_t bytes) {
  const uint64_t most = limits_.max_unfinished_bytes;
  const uint64_t with_advance = bytes + kAdvance;
  MutexLock lock(mutex_);
  ReleaseFinished(share);
  const bool may_be_kept = bytes <= kAdvance;
  if (may_be_kept && Reserve(share, with_advance, most / 2)) {
    return {with_advance};
  }
  // Others may have finished since they asked.
  Sweep(kPerSweep);
  if (may_be_kept && Reserve(share, with_advance, most / 2)) {
    return {with_advance};
  }
  // A ring whose work waits has descriptors, and an advance that pays for them.
  if (Find(share, ring).advance == 0 && Reserve(share, with_advance, most)) {
    return {with_advance, false};
  }
  if (Reserve(share, bytes, most)) return {bytes, false};
  if (!FitsContext(share, bytes) || share.has_looked_at_all) return {};
  const uint64_t held = counters_.unfinished_bytes.value();
  Sweep(shares_.size());
  const uint64_t found = held - counters_.unfinished_bytes.value();
  const bool has_room = Reserve(share, bytes, most);
  share.has_looked_at_all = !has_room || found < kAdvance;
  return {has_room ? bytes : 0, false};
}

void UnfinishedWork::GiveBack(Share& share, uint64_t bytes) {
  MutexLock lock(mutex_);
  Release(share, bytes);
}

void UnfinishedWork::AddCheckpoint(const std::shared_ptr<Share>& share,
                                   uint32_t ring, Fd fence, uint64_t bytes,
                                   uint64_t advance) {
  MutexLock lock(mutex_);
  if (!fence.valid() || IsSignalled(fence)) {
    Release(*share, bytes + advance);
    return;
  }
  Ring& at = Find(*share, ring);
  at.advance += advance;
  Checkpoint& checkpoint = at.oldest.fence.valid() ? at.newest : at.oldest;
  checkpoint.fence = std::move(fence);
  checkpoint.bytes += bytes;
  if (share->listed) return;
  share->listed = true;
  shares_.push_back(share);
}

UnfinishedWork::Ring& UnfinishedWork::Find(Share& share, uint32_t ring) {
  const auto at =
      std::find_if(share.rings.begin(), share.rings.end(),
                   [&](const Ring& other) { return other.index == ring; });
  if (at != share.rings.end()) return *at;
  return share.rings.emplace_back(
      Ring{.index = ring, .oldest = {}, .newest = {}});
}

bool UnfinishedWork::FitsContext(const Share& share, uint64_t bytes) const {
  const uint64_t most = limits_.max_context_unfinished_bytes;
  return share.bytes <= most && bytes <= most - share.bytes;
}

bool UnfinishedWork::Reserve(Share& share, uint64_t bytes, uint64_t most) {
  if (!FitsContext(share, bytes) ||
      !counters_.unfinished_bytes.AddUpTo(most, bytes)) {
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
    if (ring.oldest.fence.valid()) {
      has_more = true;
    } else {
      Release(share, std::exchange(ring.advance, 0));
    }
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

absl::StatusOr<bool> ContextWork::TakeMore(uint32_t ring, uint32_t bytes,
                                           MakeFence make_fence) {
  if (HasCheckpointDue(ring)) {
    AddCheckpoint(ring, make_fence, /*advance=*/0);
  }
  const uint64_t missing = bytes - advance_[ring];
  const UnfinishedWork::Taken taken = all_.Take(*share_, ring, missing);
  if (taken.bytes == 0) {
    return ErrnoStatus(
        ENOMEM, absl::StrCat("GEM_SUBMIT that takes ", bytes,
                             " bytes, behind as many submissions as may wait"));
  }
  taken_[ring] += taken.bytes;
  advance_[ring] = static_cast<uint32_t>(taken.bytes - missing);
  return !taken.may_be_kept;
}

void ContextWork::AddCheckpoint(uint32_t ring, MakeFence make_fence) {
  AddCheckpoint(ring, make_fence, advance_[ring]);
  if (ABSL_PREDICT_FALSE(advance_[ring] != 0)) GiveBackAdvance(ring, 0);
}

void ContextWork::AddCheckpoint(uint32_t ring, MakeFence make_fence,
                                uint32_t advance) {
  absl::StatusOr<Fd> fence = make_fence(ring);
  if (!fence.ok()) return;
  all_.AddCheckpoint(share_, ring, *std::move(fence),
                     taken_[ring] - advance_[ring], advance);
  advance_[ring] -= advance;
  taken_[ring] = advance_[ring];
}

void ContextWork::GiveBack(uint32_t ring, uint32_t bytes) {
  advance_[ring] += bytes;
  if (advance_[ring] > UnfinishedWork::kAdvance) {
    GiveBackAdvance(ring, UnfinishedWork::kAdvance);
  }
}

void ContextWork::GiveBackAdvance(uint32_t ring, uint32_t rest) {
  const uint32_t bytes = advance_[ring] - rest;
  advance_[ring] = rest;
  taken_[ring] -= bytes;
  all_.GiveBack(*share_, bytes);
}

void ContextWork::End(MakeFence make_fence) {
  for (uint32_t ring = 0; ring < kRings; ++ring) {
    if (!HasCheckpointDue(ring)) continue;
    // With what is left of the advance: whoever has many contexts with little
    // work each has a descriptor for each.
    AddCheckpoint(ring, make_fence, advance_[ring]);
    if (!HasCheckpointDue(ring)) continue;
    all_.SweepAll();
    AddCheckpoint(ring, make_fence);
  }
}

}  // namespace nacre::msm
