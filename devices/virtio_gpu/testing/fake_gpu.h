#ifndef NACRE_DEVICES_VIRTIO_GPU_TESTING_FAKE_GPU_H_
#define NACRE_DEVICES_VIRTIO_GPU_TESTING_FAKE_GPU_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "devices/virtio_gpu/context.h"

namespace nacre::virtio_gpu {

// A GPU whose work ends when the test says so, behind a context type of its
// own. Its dialect: a SUBMIT_3D is a sequence of FakeCommand.
//
// Thread-safe: the device calls the context type, the test the rest.
// Outlives what CreateType returns.
class FakeGpu {
 public:
  static constexpr uint32_t kCapsetId = 42;
  static constexpr uint32_t kCapsetVersion = 3;
  static constexpr uint8_t kCapset[] = {'n', 'a', 'c', 'r', 'e'};

  enum class Op : uint32_t { kNop, kWork, kFail };
  struct FakeCommand {
    Op op;
    uint32_t ring;  // kWork: the ring that has something to do from now on.
  };
  struct ContextState {
    std::string name;
    std::set<uint32_t> resources;  // Attached, or made here.
    std::vector<FakeCommand> commands;
  };

  std::unique_ptr<ContextType> CreateType();

  // A snapshot of what each live context has seen, by ctx_id.
  std::map<uint32_t, ContextState> contexts() const;
  int live_blobs() const;
  // Fences handed out so far; waits until there are `count`.
  size_t fences() const;
  void WaitFences(size_t count) const;
  // Times that a context's FenceObserver was told.
  int fences_told() const { return *fences_told_; }
  // Ends the work that the index-th fence ever stands for.
  void SignalFence(size_t index);
  // Ends all work and forgets the fences: they count from 0 again.
  void FinishAll();
  // Work ends as soon as it is submitted from now on, and has no fences; no
  // longer.
  void FinishAtOnce(bool at_once);

  // The status of each CreateContext, CreateBlob, GetMemory, AttachResource
  // and FenceRing from now on.
  void FailWith(absl::Status status);
  // Hands out fences that epoll refuses...
  void BreakFences();
  // ... and memory that cannot be mapped.
  void BreakMemory();
  // Ends all three.
  void Mend();
  // What GetMemory says.
  void SetCaching(MapCaching caching);

  // Calls into the context of this id, or into blobs that it made, block from
  // now on, those for fences excepted; no longer. CHECKs at any time that there
  // is one at a time.
  void Block(uint32_t ctx_id);
  void Unblock(uint32_t ctx_id);
  // The one that is blocked goes on, if any; the next blocks.
  void LetOneThrough(uint32_t ctx_id);
  // Waits until so many calls are blocked.
  void WaitBlocked(size_t count) const;

  // Times that a context was cancelled; waits until there are `count`. What is
  // blocked stays so.
  size_t cancels() const;
  void WaitCancels(size_t count) const;

 private:
  class Type;
  class FakeContext;
  class FakeBlob;
  class Observer;
  class Call;

  // Shared with observers, which may outlive everything else.
  const std::shared_ptr<std::atomic<int>> fences_told_ =
      std::make_shared<std::atomic<int>>(0);
  mutable Mutex mutex_;
  mutable CondVar changed_;
  std::map<uint32_t, ContextState> contexts_ ABSL_GUARDED_BY(mutex_);
  int live_blobs_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<EventFd> fences_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  bool finishes_at_once_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_fences_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_memory_ ABSL_GUARDED_BY(mutex_) = false;
  MapCaching caching_ ABSL_GUARDED_BY(mutex_) = MapCaching::kCached;
  // By ctx_id: calls into them block; a call is under way.
  std::set<uint32_t> blocking_ ABSL_GUARDED_BY(mutex_);
  std::set<uint32_t> called_ ABSL_GUARDED_BY(mutex_);
  // Of called_: it is blocked.
  std::set<uint32_t> blocked_ ABSL_GUARDED_BY(mutex_);
  size_t cancels_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_TESTING_FAKE_GPU_H_
