#include <algorithm>
#include <utility>
#include <variant>

#include "devices/virtio_gpu/executor.h"
#include "glog/logging.h"

// What each command has to do with: see Executor::ClaimsOf.
namespace nacre::virtio_gpu {

class Executor::Claims {
 public:
  Claims(Executor& executor, const CommandHeader& header)
      : executor_(executor), ctx_id_(header.ctx_id()) {
    if (header.has_ring()) Context(ctx_id_);
  }
  std::vector<Claim> Take() { return std::move(claims_); }

  void operator()(const GetDisplayInfo&) {}
  void operator()(const GetEdid&) {}
  void operator()(const GetCapsetInfo&) {}
  void operator()(const GetCapset&) {}
  void operator()(const CtxCreate&) { Context(ctx_id_); }
  void operator()(const CtxDestroy&) { Context(ctx_id_); }
  void operator()(const Submit3d&) {
    Context(ctx_id_);
    Sharing();
  }
  void operator()(const CtxAttachResource& command) {
    Context(ctx_id_);
    const Resource* const resource = Named(command.resource_id);
    Maker(resource);
    // Those with which it shares it from now on: see Sharing.
    Contexts(resource);
  }
  void operator()(const CtxDetachResource& command) {
    Context(ctx_id_);
    Named(command.resource_id);
  }
  void operator()(const ResourceCreateBlob& command) {
    if (command.mem != wire::BlobMem::kGuest) Context(ctx_id_);
    Named(command.request.resource_id);
  }
  void operator()(const ResourceUnref& command) {
    const Resource* const resource = Named(command.resource_id);
    Maker(resource);
    if (resource == nullptr) return;
    Scanouts(resource);
    Unmap(resource);
    Contexts(resource);
  }
  void operator()(const ResourceMapBlob& command) {
    const Resource* const resource = Named(command.resource_id);
    Maker(resource);
    claims_.push_back(
        Claim::Map(command.offset, LastOf(resource, command.offset)));
  }
  void operator()(const ResourceUnmapBlob& command) {
    Unmap(Named(command.resource_id));
  }
  void operator()(const SetScanout& command) {
    claims_.push_back(Claim::Scanout(command.scanout_id));
    if (command.resource_id != 0) Named(command.resource_id);
  }
  void operator()(const SetScanoutBlob& command) {
    claims_.push_back(Claim::Scanout(command.scanout_id));
    if (command.resource_id != 0) Maker(Named(command.resource_id));
  }
  void operator()(const ResourceFlush& command) {
    Scanouts(Named(command.resource_id));
  }
  void operator()(const UpdateCursor& command) {
    claims_.push_back(Claim::Scanout(command.scanout_id));
    if (command.resource_id != 0) Named(command.resource_id);
  }
  void operator()(const virtio_gpu::MoveCursor& command) {
    claims_.push_back(Claim::Scanout(command.scanout_id));
  }
  // The rest names a resource and calls nobody.
  template <typename Other>
  void operator()(const Other& command) {
    if constexpr (requires { command.resource_id; }) {
      Named(command.resource_id);
    } else {
      Named(command.wire.resource_id);
    }
  }

 private:
  void Context(uint32_t id) { Add(Claim::Context(id)); }
  void Contexts(const Resource* resource) {
    if (resource == nullptr) return;
    for (const uint32_t id : resource->attached_contexts) {
      Context(id);
      if (claims_.size() > Parking<int>::kMaxClaims) return;
    }
  }
  void Add(const Claim& claim) {
    if (std::find(claims_.begin(), claims_.end(), claim) == claims_.end()) {
      claims_.push_back(claim);
    }
  }
  // The host's driver orders work on a buffer by the order in which it gets it
  // (implicit synchronization), and a guest's program hands a buffer on as soon
  // as its own submission is on the queue. Which buffers one is about only its
  // context could tell: all that two contexts share are taken. Costs the leader
  // some 20 ns for each resource of the context with each of its submissions
  // while somebody blocks: of 100,000, which no program has, two milliseconds,
  // as a transfer to a large 2D resource does.
  void Sharing() {
    const auto context = executor_.contexts_.Find(ctx_id_);
    if (context == nullptr) return;
    for (const uint32_t resource_id : context->resources) {
      const auto resource = executor_.resources_.Find(resource_id);
      CHECK(resource.ok());
      for (const uint32_t id : (*resource)->attached_contexts) {
        if (id == ctx_id_) continue;
        Add(Claim::Sharing(ctx_id_, id));
        if (claims_.size() > Parking<int>::kMaxClaims) return;
      }
    }
  }
  // Null where it does not exist (yet).
  const Resource* Named(uint32_t resource_id) {
    claims_.push_back(Claim::Resource(resource_id));
    const auto resource = executor_.resources_.Find(resource_id);
    return resource.ok() ? *resource : nullptr;
  }
  void Maker(const Resource* resource) {
    if (resource == nullptr || !resource->blob || resource->blob->owner == 0) {
      return;
    }
    Context(resource->blob->owner);
  }
  void Scanouts(const Resource* resource) {
    if (resource == nullptr) return;
    for (uint32_t id = 0; id < executor_.env_.num_scanouts; ++id) {
      if ((resource->scanouts >> id & 1) != 0) {
        claims_.push_back(Claim::Scanout(id));
      }
    }
  }
  static uint64_t LastOf(const Resource* resource, uint64_t offset) {
    if (resource == nullptr || !resource->blob) return UINT64_MAX;
    const uint64_t last = offset + (resource->blob->size - 1);
    return last < offset ? UINT64_MAX : last;
  }
  void Unmap(const Resource* resource) {
    if (resource == nullptr || !resource->blob) return;
    if (const auto offset = resource->blob->window_offset) {
      claims_.push_back(Claim::Unmap(*offset, LastOf(resource, *offset)));
    }
  }

  Executor& executor_;
  const uint32_t ctx_id_;
  std::vector<Claim> claims_;
};

std::vector<Claim> Executor::ClaimsOf(const CommandHeader& header,
                                      const Command& command) {
  Claims claims(*this, header);
  std::visit(claims, command);
  return claims.Take();
}

}  // namespace nacre::virtio_gpu
