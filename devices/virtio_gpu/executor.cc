#include "devices/virtio_gpu/executor.h"

#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/error.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

Executor::Executor(const Environment& environment, Relay& relay)
    : env_(environment),
      relay_(relay),
      resources_(environment.limits),
      contexts_(environment.limits, relay),
      scanouts_(environment.num_scanouts, environment.limits.max_scanout_bytes,
                environment.sink, relay) {}

Executor::~Executor() {
  // The window before the blobs that are mapped in it.
  scanouts_.Clear();
  env_.window->Clear().IgnoreError();  // VirtioGpu does it again.
  env_.stats->contexts.Set(0);
  env_.stats->resources.Set(0);
  env_.stats->image_bytes.Set(0);
  env_.stats->mapped_blobs.Set(0);
  env_.stats->mapped_bytes.Set(0);
}

absl::StatusOr<Response> Executor::Execute(const Target& target,
                                           const Command& command) {
  ctx_id_ = target.header.ctx_id();
  context_ = target.context;
  return std::visit(
      [&](const auto& c) -> Result {
        if constexpr (std::is_same_v<decltype(c), const Submit3d&>) {
          RETURN_IF_ERROR(Submit(target, c.commands));
          return NoData();
        } else {
          return Run(c);
        }
      },
      command);
}

absl::StatusOr<std::optional<TimelineId>> Executor::TimelineOf(
    const Target& target) {
  const CommandHeader& header = target.header;
  if (!header.has_ring()) return TimelineId::Global();
  if (header.ring_idx() >= wire::kMaxRings) {
    return absl::InvalidArgumentError(absl::StrCat(
        "ring_idx ", header.ring_idx(), ": below ", wire::kMaxRings));
  }
  if (target.context == nullptr) return std::nullopt;
  return TimelineId{target.context->incarnation, header.ring_idx()};
}

absl::StatusOr<Fd> Executor::FenceOf(const Target& target) {
  const CommandHeader& header = target.header;
  if (header.type() != wire::Type::kSubmit3d || !header.fenced() ||
      target.context == nullptr || target.context->context == nullptr) {
    return Fd();
  }
  return target.context->context->FenceRing(*header.fence_ring());
}

absl::StatusOr<ContextTable::Entry*> Executor::FindContext() const {
  if (context_ == nullptr) return ContextIdError(ctx_id_, "does not exist");
  return context_;
}

void Executor::UpdateGauges() {
  env_.stats->contexts.Set(contexts_.size());
  env_.stats->resources.Set(resources_.size());
  env_.stats->image_bytes.Set(resources_.image_bytes());
  env_.stats->mapped_blobs.Set(env_.window->num_mappings());
  env_.stats->mapped_bytes.Set(env_.window->mapped_bytes());
}

}  // namespace nacre::virtio_gpu
