#include "nacre/gpu_counters.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "devices/virtio_gpu/wire.h"
#include "google/protobuf/map.h"

namespace nacre {
namespace {

using Counts = google::protobuf::Map<std::string, uint64_t>;
using virtio_gpu::wire::Type;

struct NamedType {
  Type type;
  const char* name;
};

// As in the virtio spec, without VIRTIO_GPU_CMD_ and VIRTIO_GPU_RESP_.
constexpr NamedType kCommands[] = {
    {Type::kGetDisplayInfo, "GET_DISPLAY_INFO"},
    {Type::kResourceCreate2d, "RESOURCE_CREATE_2D"},
    {Type::kResourceUnref, "RESOURCE_UNREF"},
    {Type::kSetScanout, "SET_SCANOUT"},
    {Type::kResourceFlush, "RESOURCE_FLUSH"},
    {Type::kTransferToHost2d, "TRANSFER_TO_HOST_2D"},
    {Type::kResourceAttachBacking, "RESOURCE_ATTACH_BACKING"},
    {Type::kResourceDetachBacking, "RESOURCE_DETACH_BACKING"},
    {Type::kGetCapsetInfo, "GET_CAPSET_INFO"},
    {Type::kGetCapset, "GET_CAPSET"},
    {Type::kGetEdid, "GET_EDID"},
    {Type::kResourceAssignUuid, "RESOURCE_ASSIGN_UUID"},
    {Type::kResourceCreateBlob, "RESOURCE_CREATE_BLOB"},
    {Type::kSetScanoutBlob, "SET_SCANOUT_BLOB"},
    {Type::kCtxCreate, "CTX_CREATE"},
    {Type::kCtxDestroy, "CTX_DESTROY"},
    {Type::kCtxAttachResource, "CTX_ATTACH_RESOURCE"},
    {Type::kCtxDetachResource, "CTX_DETACH_RESOURCE"},
    {Type::kResourceCreate3d, "RESOURCE_CREATE_3D"},
    {Type::kTransferToHost3d, "TRANSFER_TO_HOST_3D"},
    {Type::kTransferFromHost3d, "TRANSFER_FROM_HOST_3D"},
    {Type::kSubmit3d, "SUBMIT_3D"},
    {Type::kResourceMapBlob, "RESOURCE_MAP_BLOB"},
    {Type::kResourceUnmapBlob, "RESOURCE_UNMAP_BLOB"},
    {Type::kUpdateCursor, "UPDATE_CURSOR"},
    {Type::kMoveCursor, "MOVE_CURSOR"},
};
constexpr NamedType kErrors[] = {
    {Type::kErrUnspec, "ERR_UNSPEC"},
    {Type::kErrOutOfMemory, "ERR_OUT_OF_MEMORY"},
    {Type::kErrInvalidScanoutId, "ERR_INVALID_SCANOUT_ID"},
    {Type::kErrInvalidResourceId, "ERR_INVALID_RESOURCE_ID"},
    {Type::kErrInvalidContextId, "ERR_INVALID_CONTEXT_ID"},
    {Type::kErrInvalidParameter, "ERR_INVALID_PARAMETER"},
};
// By msm_ccmd.
constexpr const char* kCcmds[] = {
    "unknown",           "NOP",          "IOCTL_SIMPLE",
    "GEM_NEW",           "GEM_SET_IOVA", "GEM_CPU_PREP",
    "GEM_SET_NAME",      "GEM_SUBMIT",   "GEM_UPLOAD",
    "SUBMITQUEUE_QUERY", "WAIT_FENCE",   "SET_DEBUGINFO",
};
static_assert(std::size(kCcmds) == msm::MSM_CCMD_LAST);

void Put(Counts& counts, const std::string& name, uint64_t count) {
  if (count != 0) counts[name] = count;
}

}  // namespace

void AddDeviceCounters(const virtio_gpu::Stats& stats, GpuSummary& summary) {
  summary.set_contexts_created(stats.contexts_created.value());
  summary.set_contexts_now(stats.contexts.value());
  summary.set_resources_created(stats.resources_created.value());
  summary.set_resources_now(stats.resources.value());
  summary.set_submissions(stats.submissions.value());
  summary.set_fences_created(stats.fences_created.value());
  summary.set_fences_completed(stats.fences_completed.value());
  summary.set_fences_now(stats.fences_pending.value());
  summary.set_kicks(stats.kicks.value());
  summary.set_interrupts(stats.interrupts.value());
  summary.set_mapped_bytes_peak(stats.mapped_bytes.peak());
  summary.set_mapped_bytes_now(stats.mapped_bytes.value());
  uint64_t named = 0;
  for (const auto& [type, name] : kCommands) {
    const uint64_t count = stats.commands(type).value();
    Put(*summary.mutable_commands(), name, count);
    named += count;
  }
  Put(*summary.mutable_commands(), "unknown", stats.total_commands() - named);
  for (const auto& [type, name] : kErrors) {
    Put(*summary.mutable_errors(), name, stats.errors(type).value());
  }
  Put(*summary.mutable_errors(), "failed submission",
      stats.submissions_failed.value());
  Put(*summary.mutable_errors(), "blob of no host pages",
      stats.misaligned_blobs.value());
  Put(*summary.mutable_errors(), "broken queue", stats.broken_queues.value());
}

void AddMsmCounters(const msm::Counters& counters, GpuSummary& summary) {
  for (size_t i = 0; i < std::size(kCcmds); ++i) {
    Put(*summary.mutable_ccmds(), kCcmds[i], counters.ccmds[i].value());
  }
  Put(*summary.mutable_ccmd_errors(), "malformed", counters.malformed.value());
  Put(*summary.mutable_ccmd_errors(), "async_error",
      counters.async_errors.value());
  Put(*summary.mutable_ccmd_errors(), "refused ioctl",
      counters.refused_ioctls.value());
  summary.set_gem_objects_now(counters.objects.value());
  summary.set_native_contexts_now(counters.contexts.value());
}

void AddSimulatorCounters(const simulator::SimulatorStats& stats,
                          SimulatorSummary& summary) {
  const simulator::CommandProcessorStats& processor = stats.command_processor;
  summary.set_submissions(stats.submissions);
  summary.set_packets(processor.packets);
  summary.set_buffers_peak_bytes(stats.buffer_bytes_peak);
  summary.set_buffers_now(stats.buffers);
  summary.set_files_now(stats.files_open);
  summary.set_hangs(stats.faults);
  summary.set_unmapped_accesses(processor.unmapped_reads +
                                processor.unmapped_writes);
  Counts& executed = *summary.mutable_executed();
  Put(executed, "blits", processor.blits);
  Put(executed, "pixels of blits", processor.blit_pixels);
  Put(executed, "clears", processor.clears);
  Put(executed, "loads", processor.loads);
  Put(executed, "stores", processor.stores);
  Put(executed, "pixels of tiles", processor.tile_pixels);
  Counts& not_executed = *summary.mutable_not_executed();
  Put(not_executed, "draws", processor.draws_not_executed);
  Put(not_executed, "dispatches", processor.dispatches_not_executed);
  Put(not_executed, "blits", processor.blits_not_executed);
  Put(not_executed, "resolves", processor.resolves_not_executed);
  for (const auto& [name, count] : processor.packets_not_executed) {
    Put(not_executed, name, count);
  }
}

}  // namespace nacre
