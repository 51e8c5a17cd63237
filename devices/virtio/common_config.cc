#include "devices/virtio/common_config.h"

#include <utility>

#include "base/checked.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

void SetLow(uint64_t& address, uint32_t half) {
  address = (address & ~uint64_t{0xffff'ffff}) | half;
}

void SetHigh(uint64_t& address, uint32_t half) {
  address = (address & 0xffff'ffff) | uint64_t{half} << 32;
}

uint32_t Low(uint64_t address) { return static_cast<uint32_t>(address); }
uint32_t High(uint64_t address) { return static_cast<uint32_t>(address >> 32); }

}  // namespace

absl::StatusOr<std::unique_ptr<CommonConfig>> CommonConfig::Create(
    VirtioDevice* device, const vmm::GuestMemory* memory,
    InterruptSink* interrupts) {
  std::vector<Queue> queues;
  for (const uint16_t max_size : device->max_queue_sizes()) {
    CHECK(IsPowerOfTwo(max_size) && max_size <= kMaxQueueSize) << max_size;
    ASSIGN_OR_RETURN(EventFd kick, EventFd::Create());
    queues.push_back({.max_size = max_size, .kick = std::move(kick)});
  }
  return std::unique_ptr<CommonConfig>(
      new CommonConfig(device, memory, interrupts, std::move(queues)));
}

CommonConfig::CommonConfig(VirtioDevice* device, const vmm::GuestMemory* memory,
                           InterruptSink* interrupts, std::vector<Queue> queues)
    : device_(device),
      memory_(memory),
      interrupts_(interrupts),
      offered_(device->device_features() | kFeatureVersion1 |
               kFeatureIndirectDesc | kFeatureEventIdx),
      queues_(std::move(queues)) {}

CommonConfig::~CommonConfig() { device_->Reset(); }

uint32_t CommonConfig::Read(Register reg) const {
  switch (reg) {
    case Register::kDeviceFeatureSelect:
      return device_feature_select_;
    case Register::kDeviceFeature:
      if (device_feature_select_ > 1) return 0;
      return device_feature_select_ == 0 ? Low(offered_) : High(offered_);
    case Register::kDriverFeatureSelect:
      return driver_feature_select_;
    case Register::kDriverFeature:
      return driver_feature_select_ < kFeatureWords
                 ? driver_features_[driver_feature_select_]
                 : 0;
    case Register::kNumQueues:
      return num_queues();
    case Register::kDeviceStatus:
      return status_;
    case Register::kConfigGeneration:
      return generation_;
    case Register::kQueueSelect:
      return queue_select_;
    default:
      // 4.1.4.3.1: a queue that is not there has size 0.
      return queue_select_ < queues_.size()
                 ? ReadQueue(queues_[queue_select_], reg)
                 : 0;
  }
}

uint32_t CommonConfig::ReadQueue(const Queue& queue, Register reg) {
  switch (reg) {
    case Register::kQueueMaxSize:
      return queue.max_size;
    case Register::kQueueSize:
      return queue.size;
    case Register::kQueueEnable:
      return queue.enabled ? 1 : 0;
    case Register::kQueueDescLow:
      return Low(queue.desc);
    case Register::kQueueDescHigh:
      return High(queue.desc);
    case Register::kQueueDriverLow:
      return Low(queue.driver);
    case Register::kQueueDriverHigh:
      return High(queue.driver);
    case Register::kQueueDeviceLow:
      return Low(queue.device);
    case Register::kQueueDeviceHigh:
      return High(queue.device);
    default:
      return 0;
  }
}

void CommonConfig::Write(Register reg, uint32_t value) {
  switch (reg) {
    case Register::kDeviceFeatureSelect:
      device_feature_select_ = value;
      return;
    case Register::kDriverFeatureSelect:
      driver_feature_select_ = value;
      return;
    case Register::kDriverFeature:
      // 3.1.1, step 5 on: settled by FEATURES_OK.
      if (driver_feature_select_ < kFeatureWords &&
          (status_ & kStatusFeaturesOk) == 0) {
        driver_features_[driver_feature_select_] = value;
      }
      return;
    case Register::kDeviceStatus:
      WriteStatus(static_cast<uint8_t>(value));
      return;
    case Register::kQueueSelect:
      queue_select_ = static_cast<uint16_t>(value);
      return;
    default:
      WriteQueue(reg, value);
      return;
  }
}

void CommonConfig::WriteQueue(Register reg, uint32_t value) {
  // Queues are the device's from DRIVER_OK on, and one that is enabled is as it
  // was when it was enabled (4.1.4.3.2).
  if (queue_select_ >= queues_.size() || (status_ & kStatusDriverOk) != 0) {
    return;
  }
  Queue& queue = queues_[queue_select_];
  if (reg == Register::kQueueEnable) {
    // virtio-mmio drivers may also disable (4.2.2.2).
    if (value <= 1) queue.enabled = value == 1;
    return;
  }
  if (queue.enabled) return;
  switch (reg) {
    case Register::kQueueSize:
      // 4.1.4.3.2: never a size that is not a power of two, here nor when the
      // rings are made.
      if (value <= queue.max_size && IsPowerOfTwo(value)) {
        queue.size = static_cast<uint16_t>(value);
      }
      return;
    case Register::kQueueDescLow:
      return SetLow(queue.desc, value);
    case Register::kQueueDescHigh:
      return SetHigh(queue.desc, value);
    case Register::kQueueDriverLow:
      return SetLow(queue.driver, value);
    case Register::kQueueDriverHigh:
      return SetHigh(queue.driver, value);
    case Register::kQueueDeviceLow:
      return SetLow(queue.device, value);
    case Register::kQueueDeviceHigh:
      return SetHigh(queue.device, value);
    default:
      return;
  }
}

uint64_t CommonConfig::driver_features() const {
  return uint64_t{driver_features_[1]} << 32 | driver_features_[0];
}

bool CommonConfig::FeaturesAcceptable() const {
  const uint64_t features = driver_features();
  // 2.2.2: nothing that was not offered; 6.2: VERSION_1 may be insisted on.
  return driver_features_[2] == 0 && driver_features_[3] == 0 &&
         (features & ~offered_) == 0 && (features & kFeatureVersion1) != 0 &&
         device_->AcceptsFeatures(features & device_->device_features());
}

void CommonConfig::WriteStatus(uint8_t value) {
  if (value == 0) return Reset();
  // 2.1.1: the driver only ever adds bits; NEEDS_RESET is not its own.
  constexpr uint8_t kDriverBits = kStatusAcknowledge | kStatusDriver |
                                  kStatusFeaturesOk | kStatusDriverOk |
                                  kStatusFailed;
  const uint8_t status = status_;
  uint8_t added = static_cast<uint8_t>(value & kDriverBits & ~status);
  if ((added & kStatusFeaturesOk) != 0 && !FeaturesAcceptable()) {
    // 3.1.1, step 6: the driver reads back that we did not take them.
    added = static_cast<uint8_t>(added & ~kStatusFeaturesOk);
  }
  if (((status | added) & kStatusFeaturesOk) == 0 ||
      (status & kStatusNeedsReset) != 0) {
    added = static_cast<uint8_t>(added & ~kStatusDriverOk);
  }
  status_ |= added;
  if ((added & kStatusDriverOk) == 0) return;
  if (const absl::Status activated = Activate(); !activated.ok()) {
    LOG_FIRST_N(WARNING, 10)
        << "virtio device " << device_->device_id()
        << " cannot start with what its driver set up: " << activated;
    SetNeedsReset();
  }
}

absl::Status CommonConfig::Activate() {
  Activation activation{
      .driver_features = driver_features() & device_->device_features(),
      .memory = memory_,
      .notifier = this,
      .queues = {}};
  for (uint16_t i = 0; i < num_queues(); ++i) {
    const Queue& queue = queues_[i];
    if (!queue.enabled) continue;
    ASSIGN_OR_RETURN(
        Virtqueue virtqueue,
        Virtqueue::Create(
            memory_,
            {.size = queue.size,
             .descriptor_table = queue.desc,
             .available_ring = queue.driver,
             .used_ring = queue.device,
             .event_index = (driver_features() & kFeatureEventIdx) != 0,
             .indirect = (driver_features() & kFeatureIndirectDesc) != 0}));
    ASSIGN_OR_RETURN(EventFd kick, queue.kick.Duplicate());
    activation.queues.push_back(
        {.index = i, .queue = std::move(virtqueue), .kick = std::move(kick)});
  }
  return device_->Activate(std::move(activation));
}

void CommonConfig::Reset() {
  ++counters_.resets;
  // The device is quiet before the status reads 0, which is what the driver
  // waits for before it reuses the rings' memory (2.4.2).
  device_->Reset();
  device_feature_select_ = 0;
  driver_feature_select_ = 0;
  driver_features_.fill(0);
  queue_select_ = 0;
  for (Queue& queue : queues_) {
    queue.kick.Clear();
    queue.size = queue.max_size;
    queue.enabled = false;
    queue.desc = queue.driver = queue.device = 0;
  }
  status_ = 0;
}

void CommonConfig::Kick(uint16_t index) {
  if (index >= queues_.size()) return;
  ++counters_.kicks_by_exit;
  queues_[index].kick.Signal();
}

CommonConfig::Stats CommonConfig::stats() const {
  return {.queue_interrupts = counters_.queue_interrupts,
          .config_interrupts = counters_.config_interrupts,
          .kicks_by_exit = counters_.kicks_by_exit,
          .resets = counters_.resets,
          .needs_reset = counters_.needs_reset};
}

void CommonConfig::NotifyUsedBuffers(uint16_t index) {
  counters_.queue_interrupts.fetch_add(1, std::memory_order_relaxed);
  interrupts_->InterruptForQueue(index);
}

void CommonConfig::NotifyConfigChange() {
  ++generation_;
  // Not before DRIVER_OK (2.1.2).
  if ((status_ & kStatusDriverOk) == 0) return;
  counters_.config_interrupts.fetch_add(1, std::memory_order_relaxed);
  interrupts_->InterruptForConfig();
}

void CommonConfig::SetQueueEvent(uint16_t index, const EventFd* event) {
  interrupts_->SetQueueEvent(index, event);
}

void CommonConfig::SetNeedsReset() {
  ++counters_.needs_reset;
  status_ |= kStatusNeedsReset;
  // 2.1.2: where DRIVER_OK is set, the driver is told.
  NotifyConfigChange();
}

}  // namespace nacre::virtio
