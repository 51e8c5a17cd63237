#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "base/errno_status.h"
#include "base/mapping.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_state.h"

namespace nacre::msm {
namespace {

uint64_t Inode(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 ? info.st_ino : 0;
}

}  // namespace

#define FAKE_ENTER(call)                                            \
  do {                                                              \
    if (const int error = state_->Enter(DrmCall::call); error != 0) \
      return ErrnoStatus(error, #call);                             \
  } while (false)

FakeDrmFile::FakeDrmFile(std::shared_ptr<FakeDrmState> state)
    : state_(std::move(state)) {
  state_->files.insert(this);
}

FakeDrmFile::~FakeDrmFile() {
  state_->files.erase(this);
  for (const auto& [handle, entry] : handles_) CountKeptAddress(entry);
  // Work goes on; only who asked is forgotten.
  for (FakePending& pending : state_->pending) {
    if (pending.file == this) pending.file = nullptr;
  }
}

FakeHandle* FakeDrmFile::Find(uint32_t handle) {
  const auto it = handles_.find(handle);
  return it == handles_.end() ? nullptr : &it->second;
}

uint32_t FakeDrmFile::AddHandle(std::shared_ptr<FakeObject> object) {
  uint32_t handle = 1;
  for (const auto& [used, unused] : handles_) {
    if (used != handle) break;
    ++handle;
  }
  handles_[handle].object = std::move(object);
  return handle;
}

absl::StatusOr<uint64_t> FakeDrmFile::GetParam(uint32_t param) {
  FAKE_ENTER(kGetParam);
  const auto it = state_->params.find(param);
  if (it == state_->params.end()) return ErrnoStatus(EINVAL, "GET_PARAM");
  return it->second;
}

absl::Status FakeDrmFile::SetParamString(uint32_t param,
                                         const std::string& value) {
  FAKE_ENTER(kSetParamString);
  if (value.size() > state_->page_size) return ErrnoStatus(EINVAL, "SET_PARAM");
  state_->strings[param] = value;
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> FakeDrmFile::GemNew(uint64_t size, uint32_t flags) {
  FAKE_ENTER(kGemNew);
  const uint32_t cache = flags & MSM_BO_CACHE_MASK;
  const bool cache_known =
      cache == MSM_BO_WC || cache == MSM_BO_CACHED ||
      (cache == MSM_BO_CACHED_COHERENT && state_->cached_coherent);
  const uint32_t known = MSM_BO_SCANOUT | MSM_BO_GPU_READONLY |
                         MSM_BO_NO_SHARE | MSM_BO_CACHE_MASK;
  const std::optional<uint64_t> rounded =
      CheckedAlignUp(size, state_->page_size);
  if ((flags & ~known) != 0 || !cache_known || size == 0 || !rounded) {
    return ErrnoStatus(EINVAL, "GEM_NEW");
  }
  auto object = std::make_shared<FakeObject>();
  ASSIGN_OR_RETURN(object->memory, CreateMemfd("fake-gem", *rounded));
  object->size = *rounded;
  object->flags = flags;
  state_->by_inode[Inode(object->memory.get())] = object;
  return AddHandle(std::move(object));
}

absl::Status FakeDrmFile::GemClose(uint32_t handle) {
  FAKE_ENTER(kGemClose);
  const FakeHandle* const found = Find(handle);
  if (found == nullptr) return ErrnoStatus(EINVAL, "GEM_CLOSE");
  CountKeptAddress(*found);
  handles_.erase(handle);
  return absl::OkStatus();
}

void FakeDrmFile::CountKeptAddress(const FakeHandle& closed) {
  if (closed.iova == 0) return;
  for (const FakeDrmFile* const file : state_->files) {
    if (file == this) continue;
    for (const auto& [handle, entry] : file->handles_) {
      if (entry.object != closed.object) continue;
      ++state_->kept_addresses;
      return;
    }
  }
}

absl::Status FakeDrmFile::GemSetIova(uint32_t handle, uint64_t iova) {
  FAKE_ENTER(kGemSetIova);
  FakeHandle* const found = Find(handle);
  if (found == nullptr) return ErrnoStatus(ENOENT, "SET_IOVA");
  if (iova == 0 || iova == found->iova) {
    found->iova = iova;
    return absl::OkStatus();
  }
  if (found->iova != 0) {
    found->iova = 0;
    ++state_->warnings;
    return ErrnoStatus(EBUSY, "SET_IOVA");
  }
  const uint64_t size = found->object->size;
  if (!IsAligned(iova, state_->page_size) || iova < FakeDrmDevice::kVaStart ||
      !RangeFits(iova - FakeDrmDevice::kVaStart, size,
                 FakeDrmDevice::kVaSize) ||
      !IsFree(iova, size)) {
    return ErrnoStatus(ENOSPC, "SET_IOVA");
  }
  found->iova = iova;
  return absl::OkStatus();
}

bool FakeDrmFile::IsFree(uint64_t iova, uint64_t size) const {
  return std::none_of(handles_.begin(), handles_.end(), [&](const auto& entry) {
    const FakeHandle& other = entry.second;
    return other.iova != 0 &&
           RangesOverlap(iova, size, other.iova, other.object->size);
  });
}

void FakeDrmFile::GiveIova(FakeHandle& handle) {
  const uint64_t size = handle.object->size;
  uint64_t iova = FakeDrmDevice::kVaStart + FakeDrmDevice::kVaSize - size;
  while (!IsFree(iova, size)) iova -= state_->page_size;
  handle.iova = iova;
}

absl::Status FakeDrmFile::GemSetName(uint32_t handle, const std::string& name) {
  FAKE_ENTER(kGemSetName);
  FakeHandle* const found = Find(handle);
  if (found == nullptr) return ErrnoStatus(ENOENT, "SET_NAME");
  if (name.size() >= 32) return ErrnoStatus(EINVAL, "SET_NAME");
  found->object->name = name;
  return absl::OkStatus();
}

absl::Status FakeDrmFile::GemCpuPrep(uint32_t handle, uint32_t op) {
  FAKE_ENTER(kGemCpuPrep);
  if ((op & ~(MSM_PREP_READ | MSM_PREP_WRITE | MSM_PREP_NOSYNC |
              MSM_PREP_BOOST)) != 0) {
    return ErrnoStatus(EINVAL, "CPU_PREP");
  }
  FakeHandle* const found = Find(handle);
  if (found == nullptr) return ErrnoStatus(ENOENT, "CPU_PREP");
  for (const FakePending& pending : state_->pending) {
    if (std::count(pending.objects.begin(), pending.objects.end(),
                   found->object) != 0) {
      return ErrnoStatus(EBUSY, "CPU_PREP");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<GemMemory> FakeDrmFile::GemGetMemory(uint32_t handle) {
  FAKE_ENTER(kGemGetMemory);
  FakeHandle* const found = Find(handle);
  if (found == nullptr) return ErrnoStatus(ENOENT, "GET_OFFSET");
  return GemMemory{.fd = found->object->memory.get(), .offset = 0};
}

absl::StatusOr<uint64_t> FakeDrmFile::GemGetSize(uint32_t handle) {
  FAKE_ENTER(kGemGetSize);
  FakeHandle* const found = Find(handle);
  if (found == nullptr) return ErrnoStatus(ENOENT, "size");
  return found->object->size;
}

absl::StatusOr<Fd> FakeDrmFile::GemExport(uint32_t handle) {
  FAKE_ENTER(kGemExport);
  FakeHandle* const found = Find(handle);
  if (found == nullptr) return ErrnoStatus(ENOENT, "PRIME_HANDLE_TO_FD");
  return found->object->memory.Duplicate();
}

absl::StatusOr<uint32_t> FakeDrmFile::GemImport(int dmabuf) {
  FAKE_ENTER(kGemImport);
  const auto it = state_->by_inode.find(Inode(dmabuf));
  std::shared_ptr<FakeObject> object;
  if (it != state_->by_inode.end()) object = it->second.lock();
  if (object == nullptr) return ErrnoStatus(EINVAL, "PRIME_FD_TO_HANDLE");
  for (const auto& [handle, entry] : handles_) {
    if (entry.object == object) return handle;
  }
  return AddHandle(std::move(object));
}

absl::StatusOr<Fd> FakeDrmFile::GemSubmit(const SubmitRequest& request) {
  FAKE_ENTER(kGemSubmit);
  const auto queue = last_fences_.find(request.queue_id);
  if (queue == last_fences_.end()) return ErrnoStatus(ENOENT, "GEM_SUBMIT");
  if (request.flags != MSM_PIPE_3D0 &&
      request.flags != (MSM_PIPE_3D0 | MSM_SUBMIT_NO_IMPLICIT)) {
    return ErrnoStatus(EINVAL, "GEM_SUBMIT flags");
  }
  std::vector<std::shared_ptr<FakeObject>> objects;
  for (const drm_msm_gem_submit_bo& bo : request.bos) {
    FakeHandle* const found = Find(bo.handle);
    if (found == nullptr ||
        (bo.flags & (MSM_SUBMIT_BO_READ | MSM_SUBMIT_BO_WRITE)) == 0) {
      return ErrnoStatus(EINVAL, "GEM_SUBMIT bo");
    }
    if (found->iova == 0) GiveIova(*found);
    objects.push_back(found->object);
  }
  for (const drm_msm_gem_submit_cmd& cmd : request.cmds) {
    if (cmd.submit_idx >= objects.size() || cmd.size == 0 ||
        cmd.size % 4 != 0 ||
        !RangeFits(cmd.submit_offset / 4 * 4, cmd.size,
                   objects[cmd.submit_idx]->size)) {
      return ErrnoStatus(EINVAL, "GEM_SUBMIT cmd");
    }
  }
  std::optional<EventFd> done;
  Fd fd;
  if (request.fence_out) {
    ASSIGN_OR_RETURN(done, EventFd::Create());
    fd.Reset(fcntl(done->fd(), F_DUPFD_CLOEXEC, 0));
    if (!fd.valid()) return ErrnoStatus("GEM_SUBMIT fence");
  }
  queue->second = request.fence;
  state_->submits.push_back({request.flags,
                             request.queue_id,
                             request.fence,
                             {request.bos.begin(), request.bos.end()},
                             {request.cmds.begin(), request.cmds.end()},
                             request.fence_out});
  state_->pending.push_back({this, request.queue_id, request.fence,
                             std::move(done), std::move(objects)});
  return fd;
}

absl::Status FakeDrmFile::WaitFence(uint32_t queue_id, uint32_t fence,
                                    uint32_t flags) {
  FAKE_ENTER(kWaitFence);
  if ((flags & ~MSM_WAIT_FENCE_BOOST) != 0) {
    return ErrnoStatus(EINVAL, "WAIT_FENCE");
  }
  const auto queue = last_fences_.find(queue_id);
  if (queue == last_fences_.end()) return ErrnoStatus(ENOENT, "WAIT_FENCE");
  if (static_cast<int32_t>(fence - queue->second) > 0) {
    return ErrnoStatus(EINVAL, "WAIT_FENCE");
  }
  for (const FakePending& pending : state_->pending) {
    if (pending.file == this && pending.queue_id == queue_id &&
        pending.fence == fence) {
      return ErrnoStatus(ETIMEDOUT, "WAIT_FENCE");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> FakeDrmFile::SubmitqueueNew(uint32_t flags,
                                                     uint32_t prio) {
  FAKE_ENTER(kSubmitqueueNew);
  // One ring: the driver refuses ALLOW_PREEMPT.
  if (flags != 0 || prio >= state_->params[MSM_PARAM_PRIORITIES]) {
    return ErrnoStatus(EINVAL, "SUBMITQUEUE_NEW");
  }
  last_fences_[next_queue_] = 0;
  priorities_[next_queue_] = prio;
  return next_queue_++;
}

absl::Status FakeDrmFile::SubmitqueueClose(uint32_t id) {
  FAKE_ENTER(kSubmitqueueClose);
  if (id == 0 || last_fences_.erase(id) == 0) {
    return ErrnoStatus(ENOENT, "SUBMITQUEUE_CLOSE");
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> FakeDrmFile::SubmitqueueQuery(uint32_t id,
                                                       uint32_t param,
                                                       std::span<uint8_t> out) {
  FAKE_ENTER(kSubmitqueueQuery);
  if (!last_fences_.contains(id)) return ErrnoStatus(ENOENT, "QUERY");
  if (param != MSM_SUBMITQUEUE_PARAM_FAULTS) {
    return ErrnoStatus(EINVAL, "QUERY");
  }
  const uint32_t faults =
      static_cast<uint32_t>(state_->params[MSM_PARAM_FAULTS]);
  const size_t size = std::min(out.size(), sizeof(faults));
  if (size != 0) std::memcpy(out.data(), &faults, size);
  return size;
}

}  // namespace nacre::msm
