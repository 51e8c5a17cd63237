#include "devices/virtio_gpu/testing/fake_gpu.h"

#include <fcntl.h>

#include <utility>

#include "base/bytes.h"
#include "base/mapping.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {

// A call into a context, which may block.
class FakeGpu::Call {
 public:
  Call(FakeGpu* gpu, uint32_t ctx_id) : gpu_(gpu), ctx_id_(ctx_id) {
    MutexLock lock(gpu_->mutex_);
    CHECK(gpu_->called_.insert(ctx_id_).second)
        << "two calls into context " << ctx_id_ << " at the same time";
    if (!gpu_->blocking_.contains(ctx_id_)) return;
    gpu_->blocked_.insert(ctx_id_);
    gpu_->changed_.SignalAll();
    while (gpu_->blocked_.contains(ctx_id_)) gpu_->changed_.Wait(gpu_->mutex_);
  }
  ~Call() {
    MutexLock lock(gpu_->mutex_);
    gpu_->called_.erase(ctx_id_);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  FakeGpu* const gpu_;
  const uint32_t ctx_id_;
};

class FakeGpu::FakeBlob : public Blob {
 public:
  FakeBlob(FakeGpu* gpu, uint32_t ctx_id, uint64_t size, bool mappable,
           Fd memory)
      : gpu_(gpu),
        ctx_id_(ctx_id),
        size_(size),
        mappable_(mappable),
        memory_(std::move(memory)) {
    MutexLock lock(gpu_->mutex_);
    ++gpu_->live_blobs_;
  }
  ~FakeBlob() override {
    const Call call(gpu_, ctx_id_);
    MutexLock lock(gpu_->mutex_);
    --gpu_->live_blobs_;
  }

  uint32_t ctx_id() const { return ctx_id_; }
  uint64_t size() const override { return size_; }
  absl::StatusOr<BlobMemory> GetMemory() override {
    const Call call(gpu_, ctx_id_);
    MutexLock lock(gpu_->mutex_);
    RETURN_IF_ERROR(gpu_->failure_);
    if (!mappable_) return absl::FailedPreconditionError("not mappable");
    const int fd = gpu_->broken_memory_ ? -1 : memory_.get();
    return BlobMemory{fd, 0, gpu_->caching_};
  }
  absl::StatusOr<Fd> Export() override {
    const Call call(gpu_, ctx_id_);
    return memory_.Duplicate();
  }

 private:
  FakeGpu* const gpu_;
  const uint32_t ctx_id_;
  const uint64_t size_;
  const bool mappable_;
  const Fd memory_;
};

class FakeGpu::Observer : public FenceObserver {
 public:
  explicit Observer(std::shared_ptr<std::atomic<int>> told)
      : told_(std::move(told)) {}
  void OnFenceSignalled() override { ++*told_; }

 private:
  const std::shared_ptr<std::atomic<int>> told_;
};

class FakeGpu::FakeContext : public Context {
 public:
  FakeContext(FakeGpu* gpu, uint32_t id)
      : gpu_(gpu),
        id_(id),
        observer_(std::make_shared<Observer>(gpu->fences_told_)) {}
  ~FakeContext() override {
    const Call call(gpu_, id_);
    MutexLock lock(gpu_->mutex_);
    gpu_->contexts_.erase(id_);
  }

  void Cancel() override {
    MutexLock lock(gpu_->mutex_);
    ++gpu_->cancels_;
    gpu_->changed_.SignalAll();
  }

  absl::Status Submit(std::span<const uint8_t> bytes,
                      std::optional<uint8_t> /*fence_ring*/) override {
    const Call call(gpu_, id_);
    ByteReader reader(bytes);
    MutexLock lock(gpu_->mutex_);
    while (reader.remaining() != 0) {
      const auto command = reader.Read<FakeCommand>();
      if (!command) return absl::InvalidArgumentError("cut short");
      if (command->op == Op::kFail) return absl::InvalidArgumentError("kFail");
      if (command->op == Op::kWork) busy_rings_.insert(command->ring);
      gpu_->contexts_[id_].commands.push_back(*command);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Fd> FenceRing(uint8_t ring_idx) override {
    MutexLock lock(gpu_->mutex_);
    RETURN_IF_ERROR(gpu_->failure_);
    if (busy_rings_.erase(ring_idx) == 0 || gpu_->finishes_at_once_) {
      return Fd();
    }
    if (gpu_->broken_fences_) {
      return Fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    }
    ASSIGN_OR_RETURN(EventFd fence, EventFd::Create());
    Fd theirs(fcntl(fence.fd(), F_DUPFD_CLOEXEC, 0));
    PCHECK(theirs.valid());
    gpu_->fences_.push_back(std::move(fence));
    gpu_->changed_.SignalAll();
    return theirs;
  }

  std::shared_ptr<FenceObserver> fence_observer() override { return observer_; }

  absl::StatusOr<std::unique_ptr<Blob>> CreateBlob(
      const BlobRequest& request) override {
    const Call call(gpu_, id_);
    {
      MutexLock lock(gpu_->mutex_);
      RETURN_IF_ERROR(gpu_->failure_);
      gpu_->contexts_[id_].resources.insert(request.resource_id);
    }
    ASSIGN_OR_RETURN(Fd memory, CreateMemfd("fake blob", request.size));
    return std::make_unique<FakeBlob>(gpu_, id_, request.size, request.mappable,
                                      std::move(memory));
  }

  void CancelBlob(uint64_t /*blob_id*/) override { const Call call(gpu_, id_); }

  absl::Status AttachResource(uint32_t resource_id, Blob& blob) override {
    const Call call(gpu_, id_);
    // As a context does that imports what another one made.
    if (static_cast<FakeBlob&>(blob).ctx_id() != id_) {
      RETURN_IF_ERROR(blob.Export().status());
    }
    MutexLock lock(gpu_->mutex_);
    RETURN_IF_ERROR(gpu_->failure_);
    gpu_->contexts_[id_].resources.insert(resource_id);
    return absl::OkStatus();
  }
  void DetachResource(uint32_t resource_id) override {
    const Call call(gpu_, id_);
    MutexLock lock(gpu_->mutex_);
    gpu_->contexts_[id_].resources.erase(resource_id);
  }

 private:
  FakeGpu* const gpu_;
  const uint32_t id_;
  const std::shared_ptr<Observer> observer_;
  std::set<uint32_t> busy_rings_;
};

class FakeGpu::Type : public ContextType {
 public:
  explicit Type(FakeGpu* gpu) : gpu_(gpu) {}
  uint32_t capset_id() const override { return kCapsetId; }
  uint32_t capset_version() const override { return kCapsetVersion; }
  std::span<const uint8_t> capset() const override { return kCapset; }
  absl::StatusOr<std::unique_ptr<Context>> CreateContext(
      uint32_t ctx_id, const std::string& name) override {
    const Call call(gpu_, ctx_id);
    MutexLock lock(gpu_->mutex_);
    RETURN_IF_ERROR(gpu_->failure_);
    CHECK(gpu_->contexts_.emplace(ctx_id, ContextState{name, {}, {}}).second);
    return std::make_unique<FakeContext>(gpu_, ctx_id);
  }
  void ReleaseIdle() override {}

 private:
  FakeGpu* const gpu_;
};

std::unique_ptr<ContextType> FakeGpu::CreateType() {
  return std::make_unique<Type>(this);
}

std::map<uint32_t, FakeGpu::ContextState> FakeGpu::contexts() const {
  MutexLock lock(mutex_);
  return contexts_;
}

int FakeGpu::live_blobs() const {
  MutexLock lock(mutex_);
  return live_blobs_;
}

size_t FakeGpu::fences() const {
  MutexLock lock(mutex_);
  return fences_.size();
}

void FakeGpu::WaitFences(size_t count) const {
  MutexLock lock(mutex_);
  while (fences_.size() < count) changed_.Wait(mutex_);
}

void FakeGpu::SignalFence(size_t index) {
  MutexLock lock(mutex_);
  fences_.at(index).Signal();
}

void FakeGpu::FinishAll() {
  MutexLock lock(mutex_);
  for (const EventFd& fence : fences_) fence.Signal();
  fences_.clear();
}

void FakeGpu::FinishAtOnce(bool at_once) {
  MutexLock lock(mutex_);
  finishes_at_once_ = at_once;
}

void FakeGpu::FailWith(absl::Status status) {
  MutexLock lock(mutex_);
  failure_ = std::move(status);
}

void FakeGpu::BreakFences() {
  MutexLock lock(mutex_);
  broken_fences_ = true;
}

void FakeGpu::BreakMemory() {
  MutexLock lock(mutex_);
  broken_memory_ = true;
}

void FakeGpu::Mend() {
  MutexLock lock(mutex_);
  failure_ = absl::OkStatus();
  broken_fences_ = false;
  broken_memory_ = false;
}

void FakeGpu::Block(uint32_t ctx_id) {
  MutexLock lock(mutex_);
  blocking_.insert(ctx_id);
}

void FakeGpu::Unblock(uint32_t ctx_id) {
  MutexLock lock(mutex_);
  blocking_.erase(ctx_id);
  blocked_.erase(ctx_id);
  changed_.SignalAll();
}

void FakeGpu::LetOneThrough(uint32_t ctx_id) {
  MutexLock lock(mutex_);
  blocked_.erase(ctx_id);
  changed_.SignalAll();
}

void FakeGpu::WaitBlocked(size_t count) const {
  MutexLock lock(mutex_);
  while (blocked_.size() != count) changed_.Wait(mutex_);
}

size_t FakeGpu::cancels() const {
  MutexLock lock(mutex_);
  return cancels_;
}

void FakeGpu::WaitCancels(size_t count) const {
  MutexLock lock(mutex_);
  while (cancels_ < count) changed_.Wait(mutex_);
}

void FakeGpu::SetCaching(MapCaching caching) {
  MutexLock lock(mutex_);
  caching_ = caching;
}

}  // namespace nacre::virtio_gpu
