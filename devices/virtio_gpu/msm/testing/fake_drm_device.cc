#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"

#include <algorithm>
#include <numeric>

#include "base/errno_status.h"
#include "base/mutex.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_state.h"
#include "glog/logging.h"

namespace nacre::msm {

int FakeDrmState::Enter(DrmCall call) {
  const size_t index = static_cast<size_t>(call);
  MutexLock lock(mutex);
  ++calls[index];
  if (blocking == call) {
    blocked = true;
    changed.SignalAll();
    while (blocking == call) changed.Wait(mutex);
    blocked = false;
  }
  if (fail_always[index] != 0) return fail_always[index];
  return std::exchange(fail_once[index], 0);
}

FakeDrmDevice::FakeDrmDevice() : state_(std::make_shared<FakeDrmState>()) {
  state_->params = {
      {MSM_PARAM_GPU_ID, 630},
      {MSM_PARAM_GMEM_SIZE, 0x100000},
      {MSM_PARAM_CHIP_ID, 0x06030001},
      {MSM_PARAM_MAX_FREQ, 710000000},
      {MSM_PARAM_TIMESTAMP, 19200000},
      {MSM_PARAM_GMEM_BASE, 0x100000},
      {MSM_PARAM_PRIORITIES, 3},
      {MSM_PARAM_PP_PGTABLE, 0},
      {MSM_PARAM_FAULTS, 0},
      {MSM_PARAM_SUSPENDS, 0},
      {MSM_PARAM_VA_START, kVaStart},
      {MSM_PARAM_VA_SIZE, kVaSize},
      {MSM_PARAM_HIGHEST_BANK_BIT, 15},
      {MSM_PARAM_RAYTRACING, 0},
      {MSM_PARAM_UBWC_SWIZZLE, 6},
      {MSM_PARAM_MACROTILE_MODE, 0},
  };
}

FakeDrmDevice::~FakeDrmDevice() = default;

absl::StatusOr<std::unique_ptr<DrmFile>> FakeDrmDevice::Open() {
  if (const int error = state_->Enter(DrmCall::kOpen); error != 0) {
    return ErrnoStatus(error, "open");
  }
  return std::make_unique<FakeDrmFile>(state_);
}

void FakeDrmDevice::SetParam(uint32_t param, std::optional<uint64_t> value) {
  state_->params.erase(param);
  if (value) state_->params[param] = *value;
}

void FakeDrmDevice::set_cached_coherent(bool value) {
  state_->cached_coherent = value;
}

void FakeDrmDevice::set_page_size(uint64_t page_size) {
  CHECK_GE(page_size, HostPageSize());
  state_->page_size = page_size;
}

uint64_t FakeDrmDevice::page_size() const { return state_->page_size; }

void FakeDrmDevice::set_always_cached() { state_->always_cached = true; }

CpuCaching FakeDrmDevice::CachingOf(uint32_t flags) const {
  return state_->always_cached || (flags & MSM_BO_WC) == 0
             ? CpuCaching::kCached
             : CpuCaching::kWriteCombined;
}

void FakeDrmDevice::FailOnce(DrmCall call, int error) {
  MutexLock lock(state_->mutex);
  state_->fail_once[static_cast<size_t>(call)] = error;
}

void FakeDrmDevice::FailAlways(DrmCall call, int error) {
  MutexLock lock(state_->mutex);
  state_->fail_always[static_cast<size_t>(call)] = error;
}

void FakeDrmDevice::FailNoMore() {
  MutexLock lock(state_->mutex);
  state_->fail_once.fill(0);
  state_->fail_always.fill(0);
}

size_t FakeDrmDevice::calls(DrmCall call) const {
  MutexLock lock(state_->mutex);
  return state_->calls[static_cast<size_t>(call)];
}

size_t FakeDrmDevice::calls() const {
  MutexLock lock(state_->mutex);
  return std::accumulate(state_->calls.begin(), state_->calls.end(), size_t{0});
}

void FakeDrmDevice::Block(DrmCall call) {
  MutexLock lock(state_->mutex);
  state_->blocking = call;
}

void FakeDrmDevice::Unblock() {
  MutexLock lock(state_->mutex);
  state_->blocking.reset();
  state_->changed.SignalAll();
}

void FakeDrmDevice::WaitBlocked() const {
  MutexLock lock(state_->mutex);
  while (!state_->blocked) state_->changed.Wait(state_->mutex);
}

void FakeDrmDevice::FinishAll() { FinishAllBut(0); }

void FakeDrmDevice::FinishAllBut(size_t left) {
  std::vector<FakePending>& pending = state_->pending;
  if (pending.size() <= left) return;
  const auto end = pending.end() - static_cast<ptrdiff_t>(left);
  for (auto it = pending.begin(); it != end; ++it) {
    if (it->done) it->done->Signal();
  }
  pending.erase(pending.begin(), end);
}

void FakeDrmDevice::Finish(uint32_t queue_id, uint32_t fence) {
  const auto it = std::find_if(state_->pending.begin(), state_->pending.end(),
                               [&](const FakePending& pending) {
                                 return pending.queue_id == queue_id &&
                                        pending.fence == fence;
                               });
  CHECK(it != state_->pending.end()) << "no submit with fence " << fence;
  if (it->done) it->done->Signal();
  state_->pending.erase(it);
}

const std::vector<FakeSubmit>& FakeDrmDevice::submits() const {
  return state_->submits;
}

std::string FakeDrmDevice::string_param(uint32_t param) const {
  const auto it = state_->strings.find(param);
  return it == state_->strings.end() ? "" : it->second;
}

size_t FakeDrmDevice::files() const { return state_->files.size(); }

size_t FakeDrmDevice::handles() const {
  size_t count = 0;
  for (const FakeDrmFile* file : state_->files) count += file->handles().size();
  return count;
}

size_t FakeDrmDevice::queues() const {
  size_t count = 0;
  for (const FakeDrmFile* file : state_->files) count += file->queues();
  return count;
}

uint32_t FakeDrmDevice::priority(uint32_t queue_id) const {
  CHECK_EQ(files(), 1u);
  return (*state_->files.begin())->priority(queue_id);
}

size_t FakeDrmDevice::objects() const {
  return std::count_if(
      state_->by_inode.begin(), state_->by_inode.end(),
      [](const auto& entry) { return !entry.second.expired(); });
}

uint64_t FakeDrmDevice::iova(uint32_t handle) const {
  CHECK_EQ(files(), 1u);
  const auto& handles = (*state_->files.begin())->handles();
  const auto it = handles.find(handle);
  return it == handles.end() ? 0 : it->second.iova;
}

size_t FakeDrmDevice::warnings() const { return state_->warnings; }
size_t FakeDrmDevice::kept_addresses() const { return state_->kept_addresses; }

uint32_t FakeDrmDevice::flags(uint32_t handle) const {
  CHECK_EQ(files(), 1u);
  const auto& handles = (*state_->files.begin())->handles();
  const auto it = handles.find(handle);
  return it == handles.end() ? 0 : it->second.object->flags;
}

std::string FakeDrmDevice::name(uint32_t handle) const {
  CHECK_EQ(files(), 1u);
  const auto& handles = (*state_->files.begin())->handles();
  const auto it = handles.find(handle);
  return it == handles.end() ? "" : it->second.object->name;
}

}  // namespace nacre::msm
