#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_FAKE_DRM_DEVICE_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_FAKE_DRM_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {

// The calls of DrmDevice and DrmFile, to make them fail and to count them.
enum class DrmCall {
  kOpen,
  kGetParam,
  kSetParamString,
  kGemNew,
  kGemClose,
  kGemSetIova,
  kGemSetName,
  kGemCpuPrep,
  kGemGetMemory,
  kGemGetSize,
  kGemExport,
  kGemImport,
  kGemSubmit,
  kWaitFence,
  kSubmitqueueNew,
  kSubmitqueueClose,
  kSubmitqueueQuery,
  kCount,
};

// A GEM_SUBMIT that the fake took.
struct FakeSubmit {
  uint32_t flags;
  uint32_t queue_id;
  uint32_t fence;
  std::vector<drm_msm_gem_submit_bo> bos;
  std::vector<drm_msm_gem_submit_cmd> cmds;
  bool fence_out;
};

struct FakeDrmState;

// A small msm driver for tests of what sits above it: handles, addresses,
// dma-bufs, queues and fences with the kernel's rules and errnos, objects over
// memfds, no GPU: a submit is done when the test says so. One thread, but
// for what fails, blocks and is counted.
class FakeDrmDevice final : public DrmDevice {
 public:
  static constexpr uint64_t kVaStart = 0x1'0000'0000;
  static constexpr uint64_t kVaSize = 0x1'0000'0000;

  // An Adreno 630 and msm 1.12, of which a test changes what it is about.
  FakeDrmDevice();
  ~FakeDrmDevice() override;

  DriverVersion version() const override { return version_; }
  uint64_t page_size() const override;
  CpuCaching CachingOf(uint32_t flags) const override;
  absl::StatusOr<std::unique_ptr<DrmFile>> Open() override;

  void set_version(DriverVersion version) { version_ = version; }
  // MSM_PARAM_*; a parameter without value is one the driver does not know.
  void SetParam(uint32_t param, std::optional<uint64_t> value);
  void set_cached_coherent(bool value);
  // HostPageSize() or a larger power of two.
  void set_page_size(uint64_t page_size);
  // As a GPU that is a program: every mapping is cached.
  void set_always_cached();

  // The call fails with `error` the next time, or from now on.
  void FailOnce(DrmCall call, int error);
  void FailAlways(DrmCall call, int error);
  void FailNoMore();
  size_t calls(DrmCall call) const;
  size_t calls() const;  // Of all kinds.

  // Calls of this kind block from now on, before they do anything; no longer.
  void Block(DrmCall call);
  void Unblock();
  // Waits until one is blocked.
  void WaitBlocked() const;

  // All fences of submits so far (or of one) become readable.
  void FinishAll();
  void Finish(uint32_t queue_id, uint32_t fence);
  // Those that were submitted first, until `left` are unfinished.
  void FinishAllBut(size_t left);

  const std::vector<FakeSubmit>& submits() const;
  // What SetParamString stored; empty where it was not called.
  std::string string_param(uint32_t param) const;

  // Over all open files.
  size_t files() const;
  size_t handles() const;
  size_t queues() const;  // Beside each file's queue 0.
  // The only open file's priority of the queue.
  uint32_t priority(uint32_t queue_id) const;
  // GEM objects in memory: with a handle somewhere, or a dma-buf held.
  size_t objects() const;
  // The only open file's address of the handle; 0 without one.
  uint64_t iova(uint32_t handle) const;
  // How often the kernel would have written one, with a stack trace, to its
  // log.
  size_t warnings() const;
  // How often a handle was closed whose address, and with it the whole address
  // space, Linux up to 6.16 keeps as long as another file has the object.
  size_t kept_addresses() const;
  // The flags that GEM_NEW had.
  uint32_t flags(uint32_t handle) const;
  std::string name(uint32_t handle) const;

 private:
  DriverVersion version_{1, 12, 0};
  const std::shared_ptr<FakeDrmState> state_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_FAKE_DRM_DEVICE_H_
