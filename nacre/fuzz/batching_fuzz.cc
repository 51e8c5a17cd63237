// The same guest twice, each on a whole device over a simulated GPU of its own:
// once its commands go in one SUBMIT_3D, as Mesa batches them, once each in
// one. Whatever anybody can see must be the same: answers, control memory,
// buffers, what the GPU and the driver counted. And no fence may come before
// the work that it stands for. The input is GuestSteps.
//
// The GPU is held while commands arrive, and let go where a step says so, by
// one submission at a time: how far it has got is not a matter of luck then.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/mutex.h"
#include "devices/virtio/testing/fake_driver.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/testing/msm_driver.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "devices/virtio_gpu/msm/wire.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"
#include "nacre/fuzz/guest_steps.h"
#include "simulator/simulated_device.h"

namespace nacre {
namespace {

using virtio_gpu::wire::Type;
using Kind = GuestStep::Kind;

// Of each buffer: what steps write to is there.
constexpr size_t kSeenBytes = 4096;

// Where queue 0 has its fences, by its priority.
constexpr uint8_t kDefaultRing = 2;
// Not waited for at a time: a ring has room for them and a call.
constexpr size_t kMaxFences = 16;
// Of one SUBMIT_3D: with more the device may say that a buffer is busy without
// asking (GemObject::CpuPrep).
constexpr size_t kMaxBatch = 16;

// Holds the GPU between two submissions.
class Gate {
 public:
  void OnRetired() {
    MutexLock lock(mutex_);
    ++retired_;
    held_ = closed_;
    changed_.SignalAll();
    while (closed_ && !step_) changed_.Wait(mutex_);
    step_ = false;
    held_ = false;
    changed_.SignalAll();
  }

  // Once the next submission has retired.
  void Close() {
    MutexLock lock(mutex_);
    closed_ = true;
  }
  void WaitHeld() {
    MutexLock lock(mutex_);
    while (!held_) changed_.Wait(mutex_);
  }
  // While held, and with a submission behind that one: lets it retire.
  void Step() {
    MutexLock lock(mutex_);
    const uint64_t before = retired_;
    step_ = true;
    changed_.SignalAll();
    while (retired_ == before || !held_) changed_.Wait(mutex_);
  }
  void Open() {
    MutexLock lock(mutex_);
    closed_ = false;
    changed_.SignalAll();
    // Or Close might find it held still, by the submission before its own.
    while (held_) changed_.Wait(mutex_);
  }
  void WaitRetired(uint64_t count) {
    MutexLock lock(mutex_);
    while (retired_ < count) changed_.Wait(mutex_);
  }
  uint64_t retired() {
    MutexLock lock(mutex_);
    return retired_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  bool step_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t retired_ ABSL_GUARDED_BY(mutex_) = 0;
};

class Side {
 public:
  explicit Side(bool batched)
      : batched_(batched), gpu_(MakeGpu(gate_)), driver_(*gpu_, Config()) {
    host_ = gpu_->Open().value();
  }

  // What was seen, a line each.
  std::vector<std::string> Run(std::span<const GuestStep> steps) {
    CHECK(driver_.CreateContext(kContext) == Type::kOkNodata);
    driver_.CreateShmem(kContext);
    rsp_mem_offset_ = driver_.shmem(kContext).rsp_mem_offset;
    MakeFenceQueue();
    Hold();
    for (const GuestStep& step : steps) Do(step);
    Drain(0);
    Ask();
    Count();
    End();
    return std::move(seen_);
  }

 private:
  struct Fence {
    uint16_t head = 0;
    Type before;               // The answer to the commands sent before.
    uint64_t work = 0;         // Submissions that are done when it comes.
    std::optional<Type> type;  // Once it has come.
  };

  static std::unique_ptr<simulator::SimulatedDevice> MakeGpu(Gate& gate) {
    simulator::SimulatorConfig config;
    config.hang_timeout = std::chrono::milliseconds(0);
    config.reset_time = std::chrono::milliseconds(0);
    config.work_limit = 5'000;
    config.memory_limit = 32 * kBlobPage;
    config.on_retired = [&gate] { gate.OnRetired(); };
    return simulator::SimulatedDevice::Create(config).value();
  }
  static virtio_gpu::VirtioGpu::Config Config() {
    virtio_gpu::VirtioGpu::Config config = msm::MsmDriver::DefaultConfig();
    config.window_bytes = uint64_t{4} << 20;
    return config;
  }
  static uint64_t WindowOffset(uint32_t resource_id) {
    return 2 * kBlobPage + resource_id * kMaxBlobBytes;
  }

  template <typename... T>
  void See(const T&... what) {
    seen_.push_back(absl::StrCat(what...));
  }
  void SeeBytes(absl::string_view name, std::span<const uint8_t> bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                                bytes.size());
    const size_t head = std::min<size_t>(bytes.size(), 64);
    See(name, " ", std::hash<std::string_view>{}(text), " ",
        absl::CHexEscape({text.data(), head}));
  }
  void SeeType(absl::string_view name, Type type) {
    See(name, " ", static_cast<uint32_t>(type));
  }

  // A fence is made with the work where both are in one SUBMIT_3D, else on a
  // queue of the device's own. Of which the guest sees that the numbers of its
  // own ones go on behind it: both sides have one from the start.
  void MakeFenceQueue() {
    CHECK(driver_.Submit(kContext, 1).type == Type::kOkNodata);
    auto fenced = virtio_gpu::SubmitRequest(kContext, {});
    CHECK(Call(fenced.Fence(++fence_id_, kDefaultRing)) == Type::kOkNodata);
  }

  uint16_t Send(const virtio_gpu::Request& request) {
    virtio::FakeDriver& driver = driver_.driver();
    const uint16_t head =
        driver.queue(virtio_gpu::wire::kControlQueue)
            .Chain()
            .Readable(request.bytes())
            .Writable(sizeof(virtio_gpu::wire::CtrlHeader) + 8)
            .Submit();
    driver.Kick(virtio_gpu::wire::kControlQueue);
    return head;
  }
  // The next answer, which may be to a fence.
  uint16_t Wait(Type& type) {
    const virtio::UsedChain used =
        driver_.driver().WaitUsed(virtio_gpu::wire::kControlQueue);
    type =
        static_cast<Type>(ByteReader(used.response)
                              .ReadZeroExtended<virtio_gpu::wire::CtrlHeader>()
                              .type);
    for (size_t i = 0; i < fences_.size(); ++i) {
      if (fences_[i].type || fences_[i].head != used.head) continue;
      fences_[i].type = type;
      CHECK(i == 0 || fences_[i - 1].type) << "fences change places";
      CheckFence(fences_[i]);
    }
    return used.head;
  }
  Type Call(const virtio_gpu::Request& request) {
    const uint16_t head = Send(request);
    Type type;
    while (Wait(type) != head) continue;
    return type;
  }
  Type OnResource(Type type, uint32_t ctx_id, uint32_t resource_id) {
    return Call(virtio_gpu::ResourceRequest(type, resource_id).Context(ctx_id));
  }
  // What was sent before has been taken, and what fences have come is known.
  void Synchronize() { OnResource(Type::kResourceUnref, 0, kResources); }

  void Hold() {
    // A fence comes a moment before its submission has retired.
    gate_.WaitRetired(gpu_->stats().submissions);
    gate_.Close();
    msm::SubmitRequest nothing;
    nothing.flags = msm::MSM_PIPE_3D0;
    nothing.fence = ++host_fence_;
    CHECK(host_->GemSubmit(nothing).ok());
    gate_.WaitHeld();
  }

  void Do(const GuestStep& step) {
    if (step.kind == Kind::kCcmd) return Add(step);
    if (step.kind == Kind::kFence) return PutFence();
    Flush();
    switch (step.kind) {
      case Kind::kCreateBlob:
        return CreateBlob(step);
      case Kind::kUnref:
        if (step.resource_id == kContext) return;
        return SeeType("unref",
                       OnResource(Type::kResourceUnref, 0, step.resource_id));
      case Kind::kDetach:
        if (step.resource_id == kContext) return;
        return SeeType("detach", OnResource(Type::kCtxDetachResource, kContext,
                                            step.resource_id));
      case Kind::kAttach:
        return SeeType("attach", OnResource(Type::kCtxAttachResource, kContext,
                                            step.resource_id));
      default:
        Drain(step.ring);
        return Hold();
    }
  }

  void Add(const GuestStep& step) {
    // The last one waits for a fence to go with it.
    if (!batched_ || batch_size_ == kMaxBatch) Submit();
    ++batch_size_;
    const uint32_t code = msm::DRM_IOCTL_MSM_SUBMITQUEUE_NEW;
    if (step.cmd == msm::MSM_CCMD_IOCTL_SIMPLE &&
        step.body.size() >= sizeof(code) &&
        std::memcmp(step.body.data(), &code, sizeof(code)) == 0) {
      one_ring_ = false;
    }
    if (step.has_slot) {
      std::memcpy(shmem() + rsp_mem_offset_ + step.rsp_off, &step.room,
                  sizeof(step.room));
    }
    stream_.Add(step.cmd, {}, step.body, step.rsp_off);
  }
  // Of a batch the first error is its answer.
  void Submit() {
    batch_size_ = 0;
    if (stream_.bytes().empty()) return;
    const Type type =
        Call(virtio_gpu::SubmitRequest(kContext, stream_.bytes()));
    stream_.bytes().clear();
    if (answer_ == Type::kOkNodata) answer_ = type;
  }
  void Flush() {
    Submit();
    SeeType("ccmds", std::exchange(answer_, Type::kOkNodata));
  }

  // One behind what there is, with the commands since the last one.
  void PutFence() {
    if (fences_.size() >= kMaxFences) return Flush();
    auto request = virtio_gpu::SubmitRequest(kContext, stream_.bytes());
    stream_.bytes().clear();
    batch_size_ = 0;
    request.Fence(++fence_id_, kDefaultRing);
    const uint16_t head = Send(request);
    fences_.push_back({.head = head,
                       .before = std::exchange(answer_, Type::kOkNodata),
                       .work = 0,
                       .type = {}});
    Synchronize();
    fences_.back().work = gpu_->stats().submissions;
    CheckFence(fences_.back());
    used_fences_ = true;
  }
  // While the GPU is held: what comes must have been retired. With rings beside
  // that one, nobody knows what of theirs was before.
  void CheckFence(const Fence& fence) {
    if (!fence.type || fence.work == 0 || !one_ring_) return;
    CHECK_GE(gate_.retired(), fence.work) << "a fence before its work";
  }
  void CollectFences() {
    Type type;
    while (!fences_.empty() && !fences_.back().type) Wait(type);
    for (const Fence& fence : fences_) {
      SeeType("fenced ccmds",
              fence.before != Type::kOkNodata ? fence.before : *fence.type);
    }
    fences_.clear();
  }

  void CreateBlob(const GuestStep& step) {
    const Type created = Call(
        virtio_gpu::HostBlobRequest(kContext, step.resource_id, step.size));
    SeeType("blob", created);
    if (created != Type::kOkNodata) return;
    SeeType("map", Call(virtio_gpu::MapRequest(
                       step.resource_id, WindowOffset(step.resource_id))));
  }

  // The GPU does its work, and the guest looks.
  void Drain(uint8_t ring) {
    Flush();
    while (gate_.retired() < gpu_->stats().submissions) {
      gate_.Step();
      if (!fences_.empty()) Synchronize();
    }
    gate_.Open();
    CollectFences();
    auto fenced = virtio_gpu::SubmitRequest(kContext, {});
    fenced.Fence(++fence_id_, ring);
    SeeType("fence", Call(fenced));
    std::vector<uint8_t> words(shmem(), shmem() + kBlobPage);
    // Looked up now and then, by the clock.
    std::memset(words.data() + offsetof(msm::msm_shmem, global_faults), 0, 4);
    SeeBytes("control memory", words);
    for (uint32_t id = 2; id < kResources; ++id) {
      SeeBytes(absl::StrCat("resource ", id),
               {driver_.window() + WindowOffset(id), kSeenBytes});
    }
  }

  // What a guest can find out.
  void Ask() {
    const auto ask = [this](absl::string_view name, uint32_t cmd,
                            std::initializer_list<uint32_t> words) {
      stream_.bytes().clear();
      uint8_t* const room = shmem() + rsp_mem_offset_;
      std::memset(room, 0, kSlot);
      std::memcpy(room, &kSlot, sizeof(kSlot));
      stream_.Add(cmd, words);
      SeeType(name, Call(virtio_gpu::SubmitRequest(
                        kContext, std::exchange(stream_.bytes(), {}))));
      SeeBytes(name, {room, kSlot});
    };
    for (uint32_t id = 0; id < kResources; ++id) {
      ask("prep", msm::MSM_CCMD_GEM_CPU_PREP, {id, msm::MSM_PREP_WRITE});
    }
    for (uint32_t id = 0; id < kQueues + 4; ++id) {
      ask("queue", msm::MSM_CCMD_SUBMITQUEUE_QUERY, {id, 0, 4});
    }
    ask("faults", msm::MSM_CCMD_IOCTL_SIMPLE,
        {msm::DRM_IOCTL_MSM_GET_PARAM, msm::MSM_PIPE_3D0, msm::MSM_PARAM_FAULTS,
         0, 0, 0, 0});
  }

  void Count() {
    const msm::Counters& counters = driver_.counters();
    for (const auto& ccmds : counters.ccmds) See("ccmds ", ccmds.value());
    See("malformed ", counters.malformed.value());
    See("refused_ioctls ", counters.refused_ioctls.value());
    See("async_errors ", counters.async_errors.value());
    See("submits ", counters.submits.value());
    See("submit_bos ", counters.submit_bos.value());
    See("upload_bytes ", counters.upload_bytes.value());
    See("objects_created ", counters.objects_created.value());
    See("objects ", counters.objects.value());
    See("object_bytes ", counters.object_bytes.value());
    See("submitqueues ", counters.submitqueues.value());
    const simulator::SimulatorStats stats = gpu_->stats();
    // Fences that are not made with the work are made with work of their own.
    if (!used_fences_) See("submissions ", stats.submissions);
    See("faults ", stats.faults);
    See("buffers ", stats.buffers);
    See("buffer_bytes ", stats.buffer_bytes);
    See("packets ", stats.command_processor.packets);
    See("memory_writes ", stats.command_processor.memory_writes);
    See("unmapped_writes ", stats.command_processor.unmapped_writes);
    for (const auto& [why, count] : stats.command_processor.hangs) {
      See("hang ", why, " ", count);
    }
  }

  // Nothing is left.
  void End() {
    for (uint32_t id = 1; id < kResources; ++id) {
      OnResource(Type::kResourceUnref, 0, id);
    }
    CHECK(driver_.DestroyContext(kContext) == Type::kOkNodata);
    CHECK(!driver_.driver().needs_reset());
    // With what was busy when the guest let go of it.
    driver_.driver().Reset();
    CHECK_EQ(driver_.counters().objects.value(), 0u);
    CHECK_EQ(gpu_->stats().buffers, 0u);
    CHECK_EQ(gpu_->stats().files_open, 1u);
  }

  uint8_t* shmem() { return driver_.window() + kContext * kBlobPage; }

  const bool batched_;
  Gate gate_;
  const std::unique_ptr<simulator::SimulatedDevice> gpu_;
  msm::MsmDriver driver_;
  std::unique_ptr<msm::DrmFile> host_;
  uint32_t host_fence_ = 0;
  uint64_t fence_id_ = 0;
  uint32_t rsp_mem_offset_ = 0;
  msm::CcmdStream stream_;
  size_t batch_size_ = 0;  // Of the ccmds in it.
  Type answer_ = Type::kOkNodata;
  std::vector<Fence> fences_;  // Since the GPU was last drained.
  bool used_fences_ = false;
  bool one_ring_ = true;
  std::vector<std::string> seen_;
};

}  // namespace
}  // namespace nacre

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  const std::vector<nacre::GuestStep> steps =
      nacre::ReadGuestSteps({data, size});
  const std::vector<std::string> batched = nacre::Side(true).Run(steps);
  const std::vector<std::string> single = nacre::Side(false).Run(steps);
  CHECK_EQ(batched.size(), single.size());
  for (size_t i = 0; i < batched.size(); ++i) CHECK_EQ(batched[i], single[i]);
  return 0;
}
