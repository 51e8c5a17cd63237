#include "devices/virtio_gpu/msm/testing/null_drm_device.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/errno_status.h"
#include "base/mapping.h"
#include "base/page_size.h"

namespace nacre::msm {
namespace {

constexpr uint64_t kMemoryBytes = 1 << 20;

class NullFile final : public DrmFile {
 public:
  NullFile(int memory, int fence, NullDrmDevice::Objects objects,
           const std::function<void()>& mark)
      : memory_(memory), fence_(fence), objects_(objects), mark_(mark) {}

  absl::StatusOr<uint64_t> GetParam(uint32_t param) override {
    if (param == NullDrmDevice::kMarkParam) mark_();
    return 3;
  }
  absl::Status SetParamString(uint32_t, const std::string&) override {
    return {};
  }
  absl::StatusOr<uint32_t> GemNew(uint64_t, uint32_t) override {
    return next_handle_++;
  }
  absl::Status GemClose(uint32_t) override { return {}; }
  absl::Status GemSetIova(uint32_t, uint64_t) override { return {}; }
  absl::Status GemSetName(uint32_t, const std::string&) override { return {}; }
  absl::Status GemCpuPrep(uint32_t handle, uint32_t) override {
    if (objects_ == NullDrmDevice::Objects::kIdle || asked_ == handle) {
      return {};
    }
    asked_ = handle;
    return ErrnoAnswer(EBUSY);
  }
  absl::StatusOr<GemMemory> GemGetMemory(uint32_t) override {
    return GemMemory{.fd = memory_, .offset = 0};
  }
  // As large as anybody says.
  absl::StatusOr<uint64_t> GemGetSize(uint32_t) override { return UINT64_MAX; }
  absl::StatusOr<Fd> GemExport(uint32_t) override { return Fd(dup(memory_)); }
  absl::StatusOr<uint32_t> GemImport(int) override { return next_handle_++; }
  absl::StatusOr<Fd> GemSubmit(const SubmitRequest& request) override {
    return request.fence_out && fence_ >= 0 ? Fd(dup(fence_)) : Fd();
  }
  absl::Status WaitFence(uint32_t, uint32_t, uint32_t) override { return {}; }
  absl::StatusOr<uint32_t> SubmitqueueNew(uint32_t, uint32_t) override {
    return 1;
  }
  absl::Status SubmitqueueClose(uint32_t) override { return {}; }
  absl::StatusOr<uint32_t> SubmitqueueQuery(uint32_t, uint32_t,
                                            std::span<uint8_t>) override {
    return 4;
  }

 private:
  const int memory_;
  const int fence_;
  const NullDrmDevice::Objects objects_;
  const std::function<void()>& mark_;
  uint32_t next_handle_ = 1;
  uint32_t asked_ = 0;
};

}  // namespace

NullDrmDevice::NullDrmDevice(Fences fences, Objects objects)
    : memory_(*CreateMemfd("null-gem", kMemoryBytes)),
      fence_(fences == Fences::kNone ? Fd() : Fd(eventfd(1, EFD_CLOEXEC))),
      objects_(objects) {}

uint64_t NullDrmDevice::page_size() const { return HostPageSize(); }

absl::StatusOr<std::unique_ptr<DrmFile>> NullDrmDevice::Open() {
  return std::make_unique<NullFile>(memory_.get(), fence_.get(), objects_,
                                    mark_);
}

}  // namespace nacre::msm
