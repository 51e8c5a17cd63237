#include "tools/guest_kernel/virtio_gpu_driver.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "devices/virtio/common_config.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"

namespace nacre::guest_kernel {
namespace {

namespace wire = virtio_gpu::wire;
using wire::CtrlHeader;
using wire::Type;

// virtgpu_drv.c's table, of which the device offers what it has, and the
// ring's features.
constexpr uint64_t kWantedFeatures =
    wire::kFeatureVirgl | wire::kFeatureResourceUuid |
    wire::kFeatureResourceBlob | wire::kFeatureContextInit;
constexpr uint64_t kNeededFeatures =
    wire::kFeatureResourceBlob | virtio::kFeatureIndirectDesc |
    virtio::kFeatureEventIdx | virtio::kFeatureVersion1;

constexpr auto kAnswerTimeout = std::chrono::seconds(5);

OneShot::Deadline FromNow(std::chrono::steady_clock::duration time) {
  return std::chrono::steady_clock::now() + time;
}

}  // namespace

class VirtioGpuDriver::Answer : public ResponseHandler {
 public:
  void OnResponse(std::span<const uint8_t> response) override {
    bytes_.assign(response.begin(), response.end());
    arrived_.Set();
  }

  OneShot& arrived() { return arrived_; }
  // Once it has arrived.
  Type type() const {
    return static_cast<Type>(
        ByteReader(bytes_).ReadZeroExtended<CtrlHeader>().type);
  }
  std::span<const uint8_t> body() const {
    return std::span(bytes_).subspan(sizeof(CtrlHeader));
  }

 private:
  std::vector<uint8_t> bytes_;
  OneShot arrived_;
};

absl::StatusOr<std::unique_ptr<VirtioGpuDriver>> VirtioGpuDriver::Probe(
    Platform* platform, vmm::PciAddress address) {
  auto driver = absl::WrapUnique(new VirtioGpuDriver(platform));
  RETURN_IF_ERROR(driver->SetUp(address));
  return driver;
}

VirtioGpuDriver::~VirtioGpuDriver() {
  if (device_ != nullptr) device_->Reset();
  if (!interrupt_thread_.joinable()) return;
  platform_->interrupts->Stop();
  interrupt_thread_.join();
}

absl::Status VirtioGpuDriver::SetUp(vmm::PciAddress address) {
  ASSIGN_OR_RETURN(device_, VirtioPciDevice::Probe(platform_, address));
  const uint64_t offered = device_->ReadDeviceFeatures();
  if ((offered & kNeededFeatures) != kNeededFeatures) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "the virtio-gpu offers features %#x: this driver needs %#x", offered,
        kNeededFeatures));
  }
  features_ = offered & (kWantedFeatures | kNeededFeatures);
  RETURN_IF_ERROR(device_->Negotiate(features_));
  window_ = device_->FindSharedMemory(wire::kShmIdHostVisible);
  places_ = std::make_unique<WindowAllocator>(window_.size());
  RETURN_IF_ERROR(SetUpQueues());
  device_->SetDriverOk();
  return ReadCapsets();
}

absl::Status VirtioGpuDriver::SetUpQueues() {
  // The cursor's, which a device without scanouts has no use for, in front.
  constexpr uint64_t kAlignment = 4096;
  const uint16_t cursor_size = device_->MaxQueueSize(wire::kCursorQueue);
  const uint16_t size = device_->MaxQueueSize(wire::kControlQueue);
  const uint64_t control_at =
      (SplitRingDriver::SizeOf(cursor_size) / kAlignment + 1) * kAlignment;
  if (control_at + ControlQueue::SizeOf(size) > platform_->memory.size()) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("too little RAM for queues of %d", size));
  }
  const SplitRingDriver cursor(platform_->memory, /*address=*/0, cursor_size);
  RETURN_IF_ERROR(
      device_->SetUpQueue(wire::kCursorQueue, cursor_size, cursor.addresses())
          .status());
  queue_ = std::make_unique<ControlQueue>(&platform_->memory, control_at, size,
                                          &counters_);
  ASSIGN_OR_RETURN(
      const EventFd* kick,
      device_->SetUpQueue(wire::kControlQueue, size, queue_->addresses()));
  interrupt_thread_ = std::thread([this] { TakeInterrupts(); });
  queue_->Start(kick, interrupt_thread_.get_id());
  return absl::OkStatus();
}

absl::Status VirtioGpuDriver::ReadCapsets() {
  const auto count =
      device_->ReadConfig<uint32_t>(offsetof(wire::Config, num_capsets));
  for (uint32_t i = 0; i < count; ++i) {
    auto answer = std::make_shared<Answer>();
    GpuCommand command(Type::kGetCapsetInfo);
    command.With(wire::GetCapsetInfo{i, 0});
    command.response_size = sizeof(CtrlHeader) + sizeof(wire::CapsetInfo);
    command.handler = answer;
    queue_->Queue(std::move(command), ControlQueue::Kick::kNow);
    if (!WaitForAnswer(answer->arrived(), FromNow(kAnswerTimeout))) {
      return absl::DeadlineExceededError("no answer to GET_CAPSET_INFO");
    }
    const auto info =
        ByteReader(answer->body()).ReadZeroExtended<wire::CapsetInfo>();
    capsets_.push_back({.id = info.capset_id,
                        .max_version = info.capset_max_version,
                        .max_size = info.capset_max_size});
  }
  return absl::OkStatus();
}

void VirtioGpuDriver::TakeInterrupts() {
  constexpr uint32_t kConfigVector = 1u << 0;
  constexpr uint32_t kControlVector = 1u << (1 + wire::kControlQueue);
  pthread_setname_np(pthread_self(), "guest-irq");
  while (const uint32_t vectors = platform_->interrupts->Take()) {
    // Linux as well goes on, and waits forever for what it has queued.
    LOG_IF(ERROR, (vectors & kConfigVector) != 0)
        << "virtio_gpu: the device says that it needs a reset";
    if ((vectors & kControlVector) == 0) continue;
    counters_.interrupts.Add();
    queue_->Reap();
  }
}

bool VirtioGpuDriver::WaitForAnswer(OneShot& event,
                                    OneShot::Deadline deadline) {
  const OneShot::Outcome outcome = event.Wait(deadline);
  if (outcome == OneShot::Outcome::kAtOnce) return true;
  counters_.round_trips.Add();
  counters_.wake_ups.Add();
  return outcome == OneShot::Outcome::kSlept;
}

absl::StatusOr<std::vector<uint8_t>> VirtioGpuDriver::GetCapset(
    uint32_t id, uint32_t version) {
  const auto capset = std::find_if(
      capsets_.begin(), capsets_.end(),
      [&](const Capset& c) { return c.id == id && c.max_version >= version; });
  if (capset == capsets_.end()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the device has no capset %d of version %d", id, version));
  }
  std::shared_ptr<Answer> answer;
  bool ask = false;
  {
    MutexLock lock(mutex_);
    std::shared_ptr<Answer>& cached = capset_answers_[{id, version}];
    ask = cached == nullptr;
    if (ask) cached = std::make_shared<Answer>();
    answer = cached;
  }
  if (ask) {
    GpuCommand command(Type::kGetCapset);
    command.With(wire::GetCapset{id, version});
    command.response_size = sizeof(CtrlHeader) + capset->max_size;
    command.handler = answer;
    queue_->Queue(std::move(command), ControlQueue::Kick::kNow);
  }
  if (!WaitForAnswer(answer->arrived(), FromNow(kAnswerTimeout))) {
    return absl::DeadlineExceededError("no answer to GET_CAPSET");
  }
  const std::span<const uint8_t> body = answer->body();
  return std::vector<uint8_t>(body.begin(), body.end());
}

std::unique_ptr<Context> VirtioGpuDriver::CreateContext(
    const ContextParams& params) {
  return absl::WrapUnique(new Context(this, params));
}

uint32_t VirtioGpuDriver::TakeContextId() {
  MutexLock lock(mutex_);
  const auto free = std::find(context_ids_.begin(), context_ids_.end(), false);
  const auto index = static_cast<size_t>(free - context_ids_.begin());
  if (free == context_ids_.end()) context_ids_.push_back(false);
  context_ids_[index] = true;
  return static_cast<uint32_t>(index + 1);
}

void VirtioGpuDriver::FreeContextId(uint32_t id) {
  MutexLock lock(mutex_);
  context_ids_[id - 1] = false;
}

}  // namespace nacre::guest_kernel
