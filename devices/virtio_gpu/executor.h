#ifndef NACRE_DEVICES_VIRTIO_GPU_EXECUTOR_H_
#define NACRE_DEVICES_VIRTIO_GPU_EXECUTOR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"
#include "base/log_limiter.h"
#include "devices/virtio_gpu/blob_window.h"
#include "devices/virtio_gpu/command.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/context_table.h"
#include "devices/virtio_gpu/display/sink.h"
#include "devices/virtio_gpu/fence_timelines.h"
#include "devices/virtio_gpu/limits.h"
#include "devices/virtio_gpu/parking.h"
#include "devices/virtio_gpu/relay.h"
#include "devices/virtio_gpu/resource_table.h"
#include "devices/virtio_gpu/response.h"
#include "devices/virtio_gpu/scanouts.h"
#include "devices/virtio_gpu/stats.h"
#include "vmm/guest_memory.h"

namespace nacre::virtio_gpu {

// Executes decoded commands: the whole of a guest's virtio-gpu state between
// two resets, and what the commands do to it. Knows no queue and no fence id.
// One caller at a time, the leader of a relay; a call into a context may block
// and lose the lead meanwhile. So nothing is taken from one side of a call to
// the other but what the command's claims protect (see ClaimsOf): the tables
// say until the call is over what they said before.
class Executor {
 public:
  // All outlive the executor.
  struct Environment {
    std::span<const std::unique_ptr<ContextType>> context_types;
    const vmm::GuestMemory* memory = nullptr;
    BlobWindow* window = nullptr;
    DisplaySink* sink = nullptr;
    Stats* stats = nullptr;
    LogLimiter* log_limiter = nullptr;  // For what the guest does wrong.
    uint32_t num_scanouts = 0;
    uint32_t width = 0;  // Of each scanout, in pixels.
    uint32_t height = 0;
    uint64_t page_size = 0;  // Of the host.
    uint64_t features = 0;   // What the driver took.
    Limits limits;
  };

  Executor(const Environment& environment, Relay& relay);
  // Everything of the guest goes: contexts, resources, mappings, scanouts.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // A request's header and what it names, looked up once. Valid until the next
  // command of another request.
  struct Target {
    const CommandHeader& header;
    ContextTable::Entry* context;  // Null where there is none of that id.
  };
  Target Find(const CommandHeader& header) {
    return {header, contexts_.Find(header.ctx_id())};
  }

  // Nobody will look at what commands do from now on: calls into contexts that
  // are under way need not go on to their end. Any thread.
  void Cancel() { contexts_.CancelAll(); }

  // What a command has to do with: it must neither overtake nor be overtaken by
  // another one with the same. That is what it names; the context where it
  // has a ring, for the ring's fences; every context that it calls into; and
  // for a submission the contexts with which its own shares resources. A blob
  // counts as the context that made it.
  std::vector<Claim> ClaimsOf(const CommandHeader& header,
                              const Command& command);

  // Errors become the error response (error.h). May lose the lead and get it
  // back.
  absl::StatusOr<Response> Execute(const Target& target,
                                   const Command& command);
  // For one that does not decode: nobody waits for what it was to complete.
  // `body` is what came behind its header. May lose the lead and get it back.
  void Refuse(const Target& target, std::span<const uint8_t> body);
  // SUBMIT_3D, which nearly every command is.
  absl::Status Submit(const Target& target, std::span<const uint8_t> commands) {
    Context* const context =
        target.context == nullptr ? nullptr : target.context->context.get();
    if (ABSL_PREDICT_FALSE(context == nullptr)) return WhyNotSubmit(target);
    env_.stats->submissions.Add();
    env_.stats->submission_bytes.Add(commands.size());
    absl::Status status = relay_.Call(
        [&] { return context->Submit(commands, target.header.fence_ring()); });
    if (ABSL_PREDICT_FALSE(!status.ok())) env_.stats->submissions_failed.Add();
    return status;
  }

  // The timeline that a fence of this header belongs to: a ring of the context
  // where it names one, else the global one (virtio 1.3, 5.7.6.7). Nullopt for
  // a ring of a context that does not exist: such a fence has nothing to
  // follow. InvalidArgument for a ring beyond kMaxRings. To be asked before
  // Execute, which may end the context.
  static absl::StatusOr<std::optional<TimelineId>> TimelineOf(
      const Target& target);

  // What a fence on a SUBMIT_3D waits for besides the earlier ones of its
  // timeline; an invalid Fd for nothing. (No other command starts work.) To be
  // asked after Execute.
  static absl::StatusOr<Fd> FenceOf(const Target& target);

 private:
  using Result = absl::StatusOr<Response>;

  // executor_2d.cc
  Result Run(const GetDisplayInfo& command);
  Result Run(const GetEdid& command);
  Result Run(const ResourceCreate2d& command);
  Result Run(const TransferToHost2d& command);
  Result Run(const SetScanout& command);
  Result Run(const SetScanoutBlob& command);
  Result Run(const ResourceFlush& command);
  Result Run(const UpdateCursor& command);
  Result Run(const MoveCursor& command);

  // executor_resources.cc
  Result Run(const ResourceUnref& command);
  Result Run(const ResourceAttachBacking& command);
  Result Run(const ResourceDetachBacking& command);
  Result Run(const ResourceAssignUuid& command);
  Result Run(const ResourceCreateBlob& command);
  Result CreateBlob(const ResourceCreateBlob& command);
  void CancelBlob(const ContextTable::Entry* entry, uint64_t blob_id);
  Result Run(const ResourceMapBlob& command);
  Result Run(const ResourceUnmapBlob& command);
  // Counts and refuses what is no multiple of the host's page.
  absl::Status CheckHostPages(absl::string_view what, uint64_t bytes);
  absl::Status Unmap(Resource& resource);
  // It is unmapped and no scanout shows it.
  void Destroy(Resource& resource);

  // executor_contexts.cc
  Result Run(const GetCapsetInfo& command);
  Result Run(const GetCapset& command);
  Result Run(const CtxCreate& command);
  Result Run(const CtxDestroy& command);
  Result Run(const CtxAttachResource& command);
  Result Run(const CtxDetachResource& command);
  Result Run(const ResourceCreate3d& command);
  Result Run(const TransferToHost3d& command);
  Result Run(const TransferFromHost3d& command);

  // executor_claims.cc
  class Claims;

  static absl::Status WhyNotSubmit(const Target& target);
  // ContextIdError where there is none.
  absl::StatusOr<ContextTable::Entry*> FindContext() const;
  void UpdateGauges();

  const Environment env_;
  Relay& relay_;
  // Of the command being executed, until its first call.
  uint32_t ctx_id_ = 0;
  ContextTable::Entry* context_ = nullptr;
  ResourceTable resources_;
  ContextTable contexts_;
  Scanouts scanouts_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_EXECUTOR_H_
