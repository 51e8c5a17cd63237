#include "devices/virtio_gpu/context_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/shrink.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/error.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

void EraseId(Resource& resource, uint32_t ctx_id) {
  auto& ids = resource.attached_contexts;
  // From the back, where DetachEverywhere takes them.
  const auto it = std::find(ids.rbegin(), ids.rend(), ctx_id);
  CHECK(it != ids.rend());
  *it = ids.back();
  ids.pop_back();
  ShrinkIfSparse(ids);
}

}  // namespace

ContextTable::Entry* ContextTable::FindAnother(uint32_t id) {
  const auto it = contexts_.find(id);
  if (it == contexts_.end()) return nullptr;
  last_found_ = it->second.get();
  return last_found_;
}

absl::Status ContextTable::CheckNew(uint32_t id) const {
  if (id == 0) return ContextIdError(id, "cannot be created: 0 means none");
  if (contexts_.contains(id)) return ContextIdError(id, "is in use");
  if (contexts_.size() >= limits_.max_contexts) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the guest has ", contexts_.size(), " contexts: at most ",
                     limits_.max_contexts));
  }
  return absl::OkStatus();
}

void ContextTable::Add(uint32_t id, std::unique_ptr<Context> context) {
  if (context != nullptr) {
    MutexLock lock(mutex_);
    if (cancelled_) context->Cancel();
    alive_.insert(context.get());
  }
  auto entry = std::make_unique<Entry>();
  entry->id = id;
  entry->incarnation = ++last_incarnation_;
  entry->context = std::move(context);
  CHECK(contexts_.emplace(id, std::move(entry)).second);
}

absl::Status ContextTable::Attach(Entry& entry, Resource& resource) {
  if (entry.resources.contains(resource.id)) return absl::OkStatus();
  if (attachments_ >= limits_.max_attachments) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the guest has attached resources to contexts ", attachments_,
        " times: at most ", limits_.max_attachments));
  }
  if (entry.context != nullptr && resource.blob && resource.blob->host) {
    RETURN_IF_ERROR(relay_.Call([&] {
      return entry.context->AttachResource(resource.id, *resource.blob->host);
    }));
  }
  AddAttached(entry, resource);
  return absl::OkStatus();
}

void ContextTable::AddAttached(Entry& entry, Resource& resource) {
  CHECK(entry.resources.insert(resource.id).second);
  resource.attached_contexts.push_back(entry.id);
  ++attachments_;
}

void ContextTable::Detach(Entry& entry, Resource& resource) {
  if (!entry.resources.contains(resource.id)) return;
  if (entry.context != nullptr && resource.blob && resource.blob->host) {
    relay_.Call([&] { entry.context->DetachResource(resource.id); });
  }
  entry.resources.erase(resource.id);
  ShrinkIfSparse(entry.resources);
  EraseId(resource, entry.id);
  --attachments_;
}

void ContextTable::DetachEverywhere(Resource& resource) {
  while (!resource.attached_contexts.empty()) {
    const auto it = contexts_.find(resource.attached_contexts.back());
    CHECK(it != contexts_.end());
    Detach(*it->second, resource);
  }
}

void ContextTable::Remove(Entry& entry, ResourceTable& resources) {
  if (entry.context != nullptr) {
    relay_.Call([&] {
      {
        MutexLock lock(mutex_);
        alive_.erase(entry.context.get());
      }
      entry.context.reset();
    });
  }
  for (const uint32_t id : entry.resources) {
    const absl::StatusOr<Resource*> resource = resources.Find(id);
    CHECK(resource.ok());
    EraseId(**resource, entry.id);
  }
  attachments_ -= entry.resources.size();
  if (last_found_ == &entry) last_found_ = nullptr;
  contexts_.erase(entry.id);
}

void ContextTable::CancelAll() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  for (Context* const context : alive_) context->Cancel();
}

}  // namespace nacre::virtio_gpu
