#include "devices/virtio_gpu/msm/shmem.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/page_size.h"
#include "base/status_macros.h"

namespace nacre::msm {
namespace {

class ShmemBlob final : public virtio_gpu::Blob {
 public:
  ShmemBlob(Fd memory, uint64_t size, bool mappable, Counters& counters)
      : memory_(std::move(memory)),
        size_(size),
        mappable_(mappable),
        counters_(counters) {}
  ~ShmemBlob() override { counters_.control_memories.Subtract(); }

  uint64_t size() const override { return size_; }
  absl::StatusOr<virtio_gpu::BlobMemory> GetMemory() override {
    if (!mappable_) {
      return absl::FailedPreconditionError("control memory not mappable");
    }
    // Our own mapping of a memfd is cached, so the guest's has to be.
    return virtio_gpu::BlobMemory{.fd = memory_.get(),
                                  .offset = 0,
                                  .caching = virtio_gpu::MapCaching::kCached};
  }
  absl::StatusOr<Fd> Export() override {
    return absl::FailedPreconditionError("control memory is not shareable");
  }

 private:
  const Fd memory_;
  const uint64_t size_;
  const bool mappable_;
  Counters& counters_;
};

}  // namespace

absl::StatusOr<Shmem> Shmem::Create(uint64_t size) {
  if (size < kSmallestPageSize || size > kMaxSize) {
    return absl::InvalidArgumentError(absl::StrCat("control memory of ", size,
                                                   " bytes: a page to ",
                                                   kMaxSize, " are possible"));
  }
  ASSIGN_OR_RETURN(Fd memory, CreateMemfd("msm-shmem", size));
  ASSIGN_OR_RETURN(Mapping mapping, Mapping::Shared(memory.get(), 0, size));
  Shmem shmem(std::move(memory), std::move(mapping));
  // Before the guest can map it.
  *shmem.Field(offsetof(msm_shmem, rsp_mem_offset)) = kResponseOffset;
  return shmem;
}

absl::StatusOr<std::unique_ptr<virtio_gpu::Blob>> Shmem::MakeBlob(
    bool mappable, Counters& counters) const {
  ASSIGN_OR_RETURN(Fd memory, memory_.Duplicate());
  return std::make_unique<ShmemBlob>(std::move(memory), mapping_.size(),
                                     mappable, counters);
}

absl::Status Shmem::NoRoom(uint32_t rsp_off, uint32_t size) {
  return absl::OutOfRangeError(absl::StrCat("response of ", size, " bytes at ",
                                            rsp_off,
                                            " leaves the control memory"));
}

void Shmem::Respond(Slot slot, std::span<uint8_t> response) {
  uint8_t* const room = mapping_.data() + slot.position_;
  uint32_t preset = 0;
  std::memcpy(&preset, room, sizeof(preset));
  const uint32_t size =
      std::min(preset, static_cast<uint32_t>(response.size()));
  // An older guest has room for an older, shorter response; one without room
  // for the length does not look.
  if (size < sizeof(vdrm_ccmd_rsp)) return;
  std::memcpy(response.data(), &size, sizeof(size));
  std::memcpy(room, response.data(), size);
}

void Shmem::AddAsyncError() {
  __atomic_store_n(Field(offsetof(msm_shmem, async_error)), ++async_error_,
                   __ATOMIC_RELAXED);
}

void Shmem::SetGlobalFaults(uint32_t faults) {
  __atomic_store_n(Field(offsetof(msm_shmem, global_faults)), faults,
                   __ATOMIC_RELAXED);
}

}  // namespace nacre::msm
