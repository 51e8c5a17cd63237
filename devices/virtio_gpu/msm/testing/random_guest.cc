#include "devices/virtio_gpu/msm/testing/random_guest.h"

#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/page_size.h"
#include "devices/virtio_gpu/msm/object_table.h"
#include "glog/logging.h"

namespace nacre::msm {
namespace {

constexpr uint64_t kPage = kLargestPageSize;
constexpr uint64_t kShmemSize = kPage;
constexpr uint32_t kShmemResource = 1;
constexpr uint32_t kResponseArea = 16;
constexpr uint32_t kSlot = 80;  // Beyond the longest answer.
constexpr uint32_t kSlots = (kShmemSize - kResponseArea) / kSlot;
constexpr size_t kMaxBatch = 100;  // So that no slot is used twice in one.
constexpr uint32_t kResources = 12;
constexpr uint32_t kBlobIds = 10;
constexpr uint32_t kQueues = 3;
// Bytes from here on, of the steps that make calls fail, are of StepRarely.
constexpr uint32_t kFirstRare = 238;

// Of a blob's flags: bits 0 to 2 as in the request, 3 and 4 set where the other
// context makes it, and from here on it may be of any size.
constexpr uint32_t kAnySize = 0xe0;

constexpr int kErrors[] = {ENOMEM, EINVAL, EIO,     EBUSY,
                           EINTR,  EAGAIN, EDEADLK, ENOSPC};
constexpr uint32_t kCodes[] = {
    DRM_IOCTL_MSM_GET_PARAM,         DRM_IOCTL_MSM_SUBMITQUEUE_NEW,
    DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, DRM_IOCTL_MSM_GEM_NEW,
    DRM_IOCTL_MSM_GEM_SUBMIT,        DRM_IOCTL_MSM_SET_PARAM,
};

}  // namespace

RandomGuest::RandomGuest(virtio_gpu::ContextType& type, FakeDrmDevice& device,
                         const Options& options)
    : options_(options), type_(type), device_(device) {
  CHECK_EQ(type.capset_version(), 0u);
  CHECK(!type.capset().empty());
  auto context = type.CreateContext(1, "random");
  CHECK(context.ok()) << context.status();
  context_ = *std::move(context);
  auto other = type.CreateContext(2, "other");
  CHECK(other.ok()) << other.status();
  other_ = *std::move(other);
}

uint32_t RandomGuest::Byte() {
  if (input_.empty()) return 0;
  const uint8_t value = input_.front();
  input_ = input_.subspan(1);
  return value;
}

uint32_t RandomGuest::Word() {
  const uint32_t low = Byte() | Byte() << 8;
  return low | Byte() << 16 | Byte() << 24;
}

uint32_t RandomGuest::Resource() {
  if (Rarely() || blobs_.size() < 2) return Mostly(kResources);
  // Behind the control memory.
  return std::next(blobs_.begin(), 1 + Below(blobs_.size() - 1))->first;
}

std::vector<uint8_t> RandomGuest::Payload(uint32_t size) {
  return std::vector<uint8_t>(size, static_cast<uint8_t>(Byte()));
}

void RandomGuest::Run(std::span<const uint8_t> bytes) {
  input_ = bytes;
  // Few guests have no control memory.
  if (!Rarely()) {
    CreateBlob(kShmemResource, 0, kShmemSize, 1);
    const auto memory = blobs_[kShmemResource]->GetMemory();
    CHECK(memory.ok());
    shmem_ = *Mapping::Shared(memory->fd, memory->offset, kShmemSize);
  }
  while (!input_.empty()) Step();
  Flush();
}

void RandomGuest::Step() {
  const uint32_t kind = Below(20);
  if (kind < MSM_CCMD_LAST) return AddCcmd(kind);
  if (kind == MSM_CCMD_LAST) return AddCcmd(MSM_CCMD_GEM_SUBMIT);
  Flush();
  switch (kind) {
    case 13: {
      // As Mesa does it.
      const uint32_t blob_id = Below(kBlobIds);
      const uint32_t size = kPage * (1 + Below(3));
      const uint64_t iova =
          FakeDrmDevice::kVaStart + uint64_t{size} * Below(64);
      Add(MSM_CCMD_GEM_NEW,
          {Low(iova), High(iova), size, 0, MSM_BO_WC, blob_id});
      Flush();
      const uint32_t resource_id = Mostly(kResources);
      return CreateBlob(resource_id, blob_id, size, Byte());
    }
    case 14: {
      const uint32_t resource_id = Mostly(kResources);
      const uint32_t blob_id = Below(kBlobIds);
      const uint32_t size = kPage * (1 + Below(3));
      const uint32_t flags = Byte();
      return CreateBlob(resource_id, blob_id, flags < kAnySize ? size : Word(),
                        flags);
    }
    case 15: {
      const uint32_t resource_id = Resource();
      context_->DetachResource(resource_id);
      // The other context still has its own.
      if (foreign_.contains(resource_id) && !Rarely()) return;
      foreign_.erase(resource_id);
      if (resource_id != kShmemResource) blobs_.erase(resource_id);
      return;
    }
    case 16: {
      const uint32_t resource_id = Mostly(kResources);
      const auto blob = blobs_.find(resource_id);
      if (blob == blobs_.end()) return;
      context_->AttachResource(resource_id, *blob->second).IgnoreError();
      return;
    }
    case 17: {
      const auto ring = static_cast<uint8_t>(Below(66));
      context_->Submit({}, ring).IgnoreError();
      absl::StatusOr<Fd> fence = context_->FenceRing(ring);
      if (fence.ok() && fence->valid()) fences_.push_back(*std::move(fence));
      return;
    }
    case 18:
      device_.FinishAll();
      fences_.clear();
      return;
    default: {
      const uint32_t what = Byte();
      if (what >= kFirstRare) return StepRarely(what - kFirstRare);
      if (!options_.failures) return;
      const auto calls = static_cast<uint32_t>(DrmCall::kCount);
      device_.FailOnce(static_cast<DrmCall>(what % calls),
                       kErrors[Below(std::size(kErrors))]);
    }
  }
}

void RandomGuest::StepRarely(uint32_t kind) {
  switch (kind % 4) {
    case 0:
      return RestartOther();
    case 1:
      return CrowdBlobIds();
    case 2:
      return device_.FinishAllBut(Below(4));
    default:
      return type_.ReleaseIdle();
  }
}

void RandomGuest::RestartOther() {
  if (other_ != nullptr) {
    other_->Cancel();
    CcmdStream stream;
    for (int i = 0; i < 2; ++i) stream.Add(MSM_CCMD_NOP, {});
    other_->Submit(stream.bytes(), std::nullopt).IgnoreError();
  }
  other_.reset();
  absl::StatusOr<std::unique_ptr<virtio_gpu::Context>> other =
      type_.CreateContext(2, "another");
  if (other.ok()) other_ = *std::move(other);
}

void RandomGuest::CrowdBlobIds() {
  if (std::exchange(has_crowded_, true)) return;
  constexpr uint32_t kFirst = 1000;
  constexpr uint32_t kCount = ObjectTable::kMaxPending + 10;
  for (uint32_t i = 0; i < kCount; ++i) {
    batch_.Add(MSM_CCMD_GEM_NEW, {0, 0, 1, 0, MSM_BO_WC, kFirst + i});
  }
  Flush();
  // As where a RESOURCE_CREATE_BLOB is refused.
  for (uint32_t i = 0; i < kCount; ++i) context_->CancelBlob(kFirst + i);
}

void RandomGuest::AddCcmd(uint32_t cmd) {
  const uint64_t iova =
      FakeDrmDevice::kVaStart + kPage * Below(16) + (Rarely() ? 1 : 0);
  switch (cmd) {
    case MSM_CCMD_IOCTL_SIMPLE:
      return AddIoctl();
    case MSM_CCMD_GEM_NEW: {
      const uint32_t size = Mostly(4) * kPage;
      const uint32_t flags = Rarely() ? Word() : uint32_t{MSM_BO_WC};
      return Add(cmd, {Low(iova), High(iova), size, Rarely() ? Word() : 0,
                       flags, Mostly(kBlobIds)});
    }
    case MSM_CCMD_GEM_SET_IOVA:
      if (Below(2) != 0) return Add(cmd, {0, 0, Resource(), 0});
      return Add(cmd, {Low(iova), High(iova), Resource(), 0});
    case MSM_CCMD_GEM_CPU_PREP:
      return Add(cmd, {Resource(), Mostly(16)});
    case MSM_CCMD_GEM_SET_NAME:
      return Add(cmd, {Resource(), Mostly(40)}, Payload(Below(40)));
    case MSM_CCMD_GEM_SUBMIT:
      return AddSubmit();
    case MSM_CCMD_GEM_UPLOAD: {
      const uint32_t size = Below(64);
      return Add(cmd,
                 {Resource(), 0, Mostly(255) * 64, Rarely() ? Word() : size},
                 Payload(size));
    }
    case MSM_CCMD_SUBMITQUEUE_QUERY:
      return Add(cmd, {Mostly(kQueues), Mostly(2), Mostly(9)});
    case MSM_CCMD_WAIT_FENCE:
      return Add(cmd, {Mostly(kQueues), Mostly(8)});
    case MSM_CCMD_SET_DEBUGINFO:
      return Add(cmd, {Mostly(8), Mostly(8)}, Payload(Below(16)));
    default:
      // NOP, and commands of no kind with any words.
      return Add(Rarely() ? Word() : cmd, {Word(), Word(), Word()});
  }
}

void RandomGuest::AddSubmit() {
  const uint32_t nr_bos = Below(4);
  const uint32_t nr_cmds = Below(3);
  std::vector<uint8_t> arrays(nr_bos * sizeof(drm_msm_gem_submit_bo) +
                              nr_cmds * sizeof(drm_msm_gem_submit_cmd));
  uint8_t* out = arrays.data();
  for (uint32_t i = 0; i < nr_bos; ++i) {
    const drm_msm_gem_submit_bo bo = {
        .flags = Mostly(4), .handle = Resource(), .presumed = Word()};
    std::memcpy(out, &bo, sizeof(bo));
    out += sizeof(bo);
  }
  for (uint32_t i = 0; i < nr_cmds; ++i) {
    const drm_msm_gem_submit_cmd cmd = {.type = MSM_SUBMIT_CMD_BUF,
                                        .submit_idx = Mostly(nr_bos + 1),
                                        .submit_offset = Mostly(64) * 4,
                                        .size = Mostly(64) * 4,
                                        .pad = Byte(),
                                        .nr_relocs = Rarely() ? Word() : 0,
                                        .relocs = Word()};
    std::memcpy(out, &cmd, sizeof(cmd));
    out += sizeof(cmd);
  }
  const uint32_t flags = MSM_PIPE_3D0 | (Rarely() ? Word() : 0);
  Add(MSM_CCMD_GEM_SUBMIT,
      {flags, Mostly(kQueues), Rarely() ? Word() : nr_bos,
       Rarely() ? Word() : nr_cmds, Mostly(16)},
      arrays);
}

void RandomGuest::AddIoctl() {
  uint32_t code = kCodes[Below(std::size(kCodes))];
  if (Rarely()) code ^= 1u << Below(32);
  std::vector<uint8_t> argument(24);
  const uint32_t words[] = {
      code == DRM_IOCTL_MSM_GET_PARAM ? uint32_t{MSM_PIPE_3D0} : Mostly(2),
      Mostly(4)};
  std::memcpy(argument.data(), words, sizeof(words));
  argument.resize(Rarely() ? Below(64) : 24);
  Add(MSM_CCMD_IOCTL_SIMPLE, {code}, argument);
}

void RandomGuest::Add(uint32_t cmd, std::initializer_list<uint32_t> words,
                      std::span<const uint8_t> tail) {
  const uint32_t slot = std::exchange(next_slot_, (next_slot_ + 1) % kSlots);
  uint32_t rsp_off = slot * kSlot;
  if (Rarely()) {
    // Outside, or across the end, where no slot is: answers must not meet what
    // the guest presets for later commands of a batch.
    rsp_off = Below(2) != 0 ? Word() | kShmemSize
                            : kSlots * kSlot + Below(2 * kResponseArea);
  } else if (shmem_.valid()) {
    const uint32_t room = Mostly(kSlot);
    std::memcpy(shmem_.data() + kResponseArea + rsp_off, &room, sizeof(room));
  }
  batch_.Add(cmd, words, tail, rsp_off);
  if (options_.broken_framing && Rarely()) BreakFraming();
  if (!options_.batched || ++batched_ == kMaxBatch) Flush();
}

// The length of some header, or whatever is at a multiple of 4.
void RandomGuest::BreakFraming() {
  std::vector<uint8_t>& bytes = batch_.bytes();
  const uint32_t value = Word();
  const size_t at = (Word() % bytes.size()) & ~size_t{3};
  if (Rarely()) {
    bytes.resize(at);
  } else if (at + sizeof(value) <= bytes.size()) {
    std::memcpy(bytes.data() + at, &value, sizeof(value));
  }
}

void RandomGuest::CreateBlob(uint32_t resource_id, uint64_t blob_id,
                             uint64_t size, uint32_t flags) {
  // What the device has checked.
  if (resource_id == 0 || blobs_.contains(resource_id)) return;
  const bool is_foreign = other_ != nullptr && resource_id != kShmemResource &&
                          (flags & 0x18) == 0x18;
  if (is_foreign) MakeForeignObject(blob_id, size);
  virtio_gpu::Context& maker = is_foreign ? *other_ : *context_;
  absl::StatusOr<std::unique_ptr<virtio_gpu::Blob>> blob =
      maker.CreateBlob({.resource_id = resource_id,
                        .blob_id = blob_id,
                        .size = size,
                        .mappable = (flags & 1) != 0,
                        .shareable = (flags & 2) != 0,
                        .cross_device = (flags & 4) != 0});
  if (!blob.ok()) return;
  CHECK_EQ((*blob)->size(), size);
  // Mapped, as soon as it is made.
  if (const auto memory = (*blob)->GetMemory(); memory.ok()) {
    CHECK_EQ(flags & 1, 1u);
    CHECK_GE(memory->fd, 0);
  }
  blobs_[resource_id] = *std::move(blob);
  if (!is_foreign) return;
  foreign_.insert(resource_id);
  context_->AttachResource(resource_id, *blobs_[resource_id]).IgnoreError();
}

void RandomGuest::MakeForeignObject(uint64_t blob_id, uint64_t size) {
  CcmdStream stream;
  stream.Add(MSM_CCMD_GEM_NEW, {0, 0, Low(size), High(size), MSM_BO_WC,
                                static_cast<uint32_t>(blob_id)});
  other_->Submit(stream.bytes(), std::nullopt).IgnoreError();
}

void RandomGuest::Flush() {
  batched_ = 0;
  const std::vector<uint8_t> stream = std::exchange(batch_.bytes(), {});
  if (!stream.empty()) context_->Submit(stream, std::nullopt).IgnoreError();
}

}  // namespace nacre::msm
