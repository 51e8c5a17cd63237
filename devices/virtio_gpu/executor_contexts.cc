#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/error.h"
#include "devices/virtio_gpu/executor.h"

// Capsets, contexts and what they are given to do (virtio 1.3, 5.7.6.9).
namespace nacre::virtio_gpu {
namespace {

absl::Status NotADialectOfOurs(absl::string_view command) {
  return absl::UnimplementedError(absl::StrCat(
      command, " belongs to the virgl dialect, which no context here speaks"));
}

}  // namespace

Executor::Result Executor::Run(const GetCapsetInfo& command) {
  if (command.index >= env_.context_types.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "capset index ", command.index, ": below ", env_.context_types.size()));
  }
  const ContextType& type = *env_.context_types[command.index];
  return CapsetInfo{type.capset_id(), type.capset_version(),
                    static_cast<uint32_t>(type.capset().size())};
}

Executor::Result Executor::Run(const GetCapset& command) {
  for (const auto& type : env_.context_types) {
    if (type->capset_id() == command.capset_id &&
        command.version <= type->capset_version()) {
      return CapsetData{type->capset()};
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "no capset ", command.capset_id, " of version ", command.version));
}

Executor::Result Executor::Run(const CtxCreate& command) {
  const uint32_t ctx_id = ctx_id_;
  RETURN_IF_ERROR(contexts_.CheckNew(ctx_id));
  std::unique_ptr<Context> context;
  if (command.capset_id != 0) {
    ContextType* context_type = nullptr;
    for (const auto& type : env_.context_types) {
      if (type->capset_id() == command.capset_id) context_type = type.get();
    }
    if (context_type == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("no context type of capset ", command.capset_id));
    }
    ASSIGN_OR_RETURN(context, relay_.Call([&] {
      return context_type->CreateContext(ctx_id, command.name);
    }));
    // Others may have been made meanwhile.
    if (absl::Status status = contexts_.CheckNew(ctx_id); !status.ok()) {
      // To end one may block, too.
      relay_.Call([&] { context.reset(); });
      return status;
    }
  }
  contexts_.Add(ctx_id, std::move(context));
  env_.stats->contexts_created.Add();
  UpdateGauges();
  return NoData();
}

Executor::Result Executor::Run(const CtxDestroy&) {
  ASSIGN_OR_RETURN(ContextTable::Entry* const entry, FindContext());
  contexts_.Remove(*entry, resources_);
  UpdateGauges();
  return NoData();
}

Executor::Result Executor::Run(const CtxAttachResource& command) {
  ASSIGN_OR_RETURN(ContextTable::Entry* const entry, FindContext());
  ASSIGN_OR_RETURN(Resource* const resource,
                   resources_.Find(command.resource_id));
  RETURN_IF_ERROR(contexts_.Attach(*entry, *resource));
  return NoData();
}

Executor::Result Executor::Run(const CtxDetachResource& command) {
  ASSIGN_OR_RETURN(ContextTable::Entry* const entry, FindContext());
  ASSIGN_OR_RETURN(Resource* const resource,
                   resources_.Find(command.resource_id));
  contexts_.Detach(*entry, *resource);
  return NoData();
}

absl::Status Executor::WhyNotSubmit(const Target& target) {
  const uint32_t ctx_id = target.header.ctx_id();
  if (target.context == nullptr) {
    return ContextIdError(ctx_id, "does not exist");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("SUBMIT_3D to context ", ctx_id,
                   ", which speaks no dialect (context_init was 0)"));
}

Executor::Result Executor::Run(const ResourceCreate3d&) {
  return NotADialectOfOurs("RESOURCE_CREATE_3D");
}

Executor::Result Executor::Run(const TransferToHost3d&) {
  return NotADialectOfOurs("TRANSFER_TO_HOST_3D");
}

Executor::Result Executor::Run(const TransferFromHost3d&) {
  return NotADialectOfOurs("TRANSFER_FROM_HOST_3D");
}

}  // namespace nacre::virtio_gpu
