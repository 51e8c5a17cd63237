#include "devices/virtio_gpu/executor.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

Executor::Executor(const Environment& environment)
    : env_(environment),
      resources_(environment.limits),
      contexts_(environment.limits),
      scanouts_(environment.num_scanouts, environment.limits.max_scanout_bytes,
                environment.sink) {}

Executor::~Executor() {
  // The window before the blobs that are mapped in it.
  scanouts_.Clear();
  env_.window->Clear();
  env_.stats->contexts.Set(0);
  env_.stats->resources.Set(0);
  env_.stats->image_bytes.Set(0);
  env_.stats->mapped_blobs.Set(0);
  env_.stats->mapped_bytes.Set(0);
}

absl::StatusOr<Response> Executor::Execute(uint32_t ctx_id, Command command) {
  ctx_id_ = ctx_id;
  return std::visit([this](const auto& c) { return Run(c); }, command);
}

absl::StatusOr<std::optional<TimelineId>> Executor::TimelineOf(
    const CommandHeader& header) {
  if (!header.has_ring) return TimelineId::Global();
  if (header.ring_idx >= wire::kMaxRings) {
    return absl::InvalidArgumentError(absl::StrCat(
        "ring_idx ", header.ring_idx, ": below ", wire::kMaxRings));
  }
  const auto entry = contexts_.Find(header.ctx_id);
  if (!entry.ok()) return std::nullopt;
  return TimelineId{(*entry)->incarnation, header.ring_idx};
}

absl::StatusOr<Fd> Executor::FenceOf(const CommandHeader& header) {
  if (header.type != wire::Type::kSubmit3d) return Fd();
  const auto entry = contexts_.Find(header.ctx_id);
  if (!entry.ok() || (*entry)->context == nullptr) return Fd();
  // Without a ring it is the context's first.
  return (*entry)->context->FenceRing(header.has_ring ? header.ring_idx : 0);
}

std::shared_ptr<FenceObserver> Executor::FenceObserverOf(
    const CommandHeader& header) {
  const auto entry = contexts_.Find(header.ctx_id);
  if (!entry.ok() || (*entry)->context == nullptr) return nullptr;
  return (*entry)->context->fence_observer();
}

void Executor::UpdateGauges() {
  env_.stats->contexts.Set(contexts_.size());
  env_.stats->resources.Set(resources_.size());
  env_.stats->image_bytes.Set(resources_.image_bytes());
  env_.stats->mapped_blobs.Set(env_.window->num_mappings());
  env_.stats->mapped_bytes.Set(env_.window->mapped_bytes());
}

}  // namespace nacre::virtio_gpu
