#include "nacre/gpu_limits.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace nacre {
namespace {

// More would be beyond what any host has, and what a summary can show.
constexpr uint64_t kMaxContexts = 65536;
constexpr uint64_t kMaxResources = 1 << 20;
constexpr uint64_t kMaxBuffersMib = 1 << 24;  // 16 TiB.
constexpr uint64_t kMaxSubmitqueues = 65536;
constexpr uint64_t kMaxUnfinishedMib = 1 << 24;  // 16 TiB.
constexpr uint64_t kMaxPendingFences = 512;      // The control queue's size.
constexpr uint64_t kMaxMappedBlobs = 1'000'000;
constexpr uint64_t kMaxLogLinesPerSecond = 1000;

absl::Status CheckLimit(const char* field, uint64_t value, uint64_t low,
                        uint64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("gpu.limits.", field, " is ",
                                                 value, "; it must be from ",
                                                 low, " to ", high));
}

}  // namespace

absl::Status ValidateGpuLimits(const Gpu& config) {
  const GpuLimits& limits = config.limits();
  RETURN_IF_ERROR(CheckLimit("contexts", limits.contexts(), 1, kMaxContexts));
  RETURN_IF_ERROR(
      CheckLimit("native_contexts", limits.native_contexts(), 1, kMaxContexts));
  RETURN_IF_ERROR(
      CheckLimit("resources", limits.resources(), 1, kMaxResources));
  RETURN_IF_ERROR(
      CheckLimit("buffers_mib", limits.buffers_mib(), 1, kMaxBuffersMib));
  RETURN_IF_ERROR(CheckLimit("context_buffers_mib",
                             limits.context_buffers_mib(), 1, kMaxBuffersMib));
  RETURN_IF_ERROR(
      CheckLimit("submitqueues", limits.submitqueues(), 1, kMaxSubmitqueues));
  RETURN_IF_ERROR(CheckLimit("unfinished_mib", limits.unfinished_mib(), 1,
                             kMaxUnfinishedMib));
  RETURN_IF_ERROR(CheckLimit("context_unfinished_mib",
                             limits.context_unfinished_mib(), 1,
                             kMaxUnfinishedMib));
  RETURN_IF_ERROR(CheckLimit("pending_fences", limits.pending_fences(), 1,
                             kMaxPendingFences));
  RETURN_IF_ERROR(
      CheckLimit("mapped_blobs", limits.mapped_blobs(), 1, kMaxMappedBlobs));
  if (limits.has_mapped_mib()) {
    RETURN_IF_ERROR(
        CheckLimit("mapped_mib", limits.mapped_mib(), 1, config.window_mib()));
  }
  return CheckLimit("log_lines_per_second", limits.log_lines_per_second(), 0,
                    kMaxLogLinesPerSecond);
}

virtio_gpu::Limits DeviceLimitsOf(const Gpu& config) {
  virtio_gpu::Limits limits;
  limits.max_contexts = config.limits().contexts();
  limits.max_resources = config.limits().resources();
  limits.max_attachments =
      std::max(limits.max_attachments, 2 * limits.max_resources);
  limits.max_pending_fences = config.limits().pending_fences();
  limits.max_mapped_blobs = config.limits().mapped_blobs();
  if (config.limits().has_mapped_mib()) {
    limits.max_mapped_bytes = config.limits().mapped_mib() << 20;
  }
  limits.log_lines_per_second = config.limits().log_lines_per_second();
  return limits;
}

msm::Limits MsmLimitsOf(const Gpu& config) {
  msm::Limits limits;
  limits.max_files = config.limits().native_contexts();
  limits.max_control_memories = 4 * limits.max_files;
  // Of its resources, and of those that are attached.
  limits.max_objects =
      std::max(limits.max_objects, 4 * uint64_t{config.limits().resources()});
  limits.max_object_bytes = uint64_t{config.limits().buffers_mib()} << 20;
  limits.max_context_object_bytes =
      uint64_t{config.limits().context_buffers_mib()} << 20;
  limits.max_submitqueues = config.limits().submitqueues();
  limits.max_unfinished_bytes = uint64_t{config.limits().unfinished_mib()}
                                << 20;
  limits.max_context_unfinished_bytes =
      uint64_t{config.limits().context_unfinished_mib()} << 20;
  return limits;
}

void MakeRoom(const Gpu& config, simulator::SimulatorConfig& simulator) {
  const msm::Limits limits = MsmLimitsOf(config);
  simulator.memory_limit =
      std::max(simulator.memory_limit, limits.max_object_bytes);
  simulator.queue_limit =
      std::max(simulator.queue_limit, limits.max_unfinished_bytes);
}

}  // namespace nacre
