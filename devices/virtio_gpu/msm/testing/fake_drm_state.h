#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_FAKE_DRM_STATE_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_FAKE_DRM_STATE_H_

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"

namespace nacre::msm {

// Inside of FakeDrmDevice.

struct FakeObject {
  Fd memory;
  uint64_t size = 0;
  uint32_t flags = 0;
  std::string name;
};

struct FakeHandle {
  std::shared_ptr<FakeObject> object;
  uint64_t iova = 0;
};

class FakeDrmFile;

// A submit that is not done.
struct FakePending {
  const FakeDrmFile* file;
  uint32_t queue_id;
  uint32_t fence;
  std::optional<EventFd> done;  // Where somebody asked for a fence.
  std::vector<std::shared_ptr<FakeObject>> objects;
};

struct FakeDrmState {
  std::map<uint32_t, uint64_t> params;
  std::map<uint32_t, std::string> strings;
  bool cached_coherent = true;
  bool always_cached = false;
  uint64_t page_size = HostPageSize();
  std::set<const FakeDrmFile*> files;
  std::map<uint64_t, std::weak_ptr<FakeObject>> by_inode;
  std::vector<FakeSubmit> submits;
  std::vector<FakePending> pending;
  size_t warnings = 0;
  size_t kept_addresses = 0;

  // GetParam comes from any thread.
  static constexpr size_t kCalls = static_cast<size_t>(DrmCall::kCount);
  mutable Mutex mutex;
  std::array<int, kCalls> fail_once ABSL_GUARDED_BY(mutex){};
  std::array<int, kCalls> fail_always ABSL_GUARDED_BY(mutex){};
  std::array<size_t, kCalls> calls ABSL_GUARDED_BY(mutex){};
  mutable CondVar changed;
  std::optional<DrmCall> blocking ABSL_GUARDED_BY(mutex);
  bool blocked ABSL_GUARDED_BY(mutex) = false;

  // Counts the call and waits while it is to block; the errno it is to fail
  // with, or 0.
  int Enter(DrmCall call);
};

class FakeDrmFile final : public DrmFile {
 public:
  explicit FakeDrmFile(std::shared_ptr<FakeDrmState> state);
  ~FakeDrmFile() override;

  absl::StatusOr<uint64_t> GetParam(uint32_t param) override;
  absl::Status SetParamString(uint32_t param,
                              const std::string& value) override;
  absl::StatusOr<uint32_t> GemNew(uint64_t size, uint32_t flags) override;
  absl::Status GemClose(uint32_t handle) override;
  absl::Status GemSetIova(uint32_t handle, uint64_t iova) override;
  absl::Status GemSetName(uint32_t handle, const std::string& name) override;
  absl::Status GemCpuPrep(uint32_t handle, uint32_t op) override;
  absl::StatusOr<GemMemory> GemGetMemory(uint32_t handle) override;
  absl::StatusOr<uint64_t> GemGetSize(uint32_t handle) override;
  absl::StatusOr<Fd> GemExport(uint32_t handle) override;
  absl::StatusOr<uint32_t> GemImport(int dmabuf) override;
  absl::StatusOr<Fd> GemSubmit(const SubmitRequest& request) override;
  absl::Status WaitFence(uint32_t queue_id, uint32_t fence,
                         uint32_t flags) override;
  absl::StatusOr<uint32_t> SubmitqueueNew(uint32_t flags,
                                          uint32_t prio) override;
  absl::Status SubmitqueueClose(uint32_t id) override;
  absl::StatusOr<uint32_t> SubmitqueueQuery(uint32_t id, uint32_t param,
                                            std::span<uint8_t> out) override;

  const std::map<uint32_t, FakeHandle>& handles() const { return handles_; }
  size_t queues() const { return last_fences_.size() - 1; }
  uint32_t priority(uint32_t queue_id) const {
    return priorities_.at(queue_id);
  }

 private:
  uint32_t AddHandle(std::shared_ptr<FakeObject> object);
  FakeHandle* Find(uint32_t handle);
  bool IsFree(uint64_t iova, uint64_t size) const;
  // What GEM_SUBMIT does with an object that has no address: one from the end.
  void GiveIova(FakeHandle& handle);
  void CountKeptAddress(const FakeHandle& closed);

  const std::shared_ptr<FakeDrmState> state_;
  std::map<uint32_t, FakeHandle> handles_;
  std::map<uint32_t, uint32_t> last_fences_{{0, 0}};  // By queue.
  std::map<uint32_t, uint32_t> priorities_;           // By queue.
  uint32_t next_queue_ = 1;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_FAKE_DRM_STATE_H_
