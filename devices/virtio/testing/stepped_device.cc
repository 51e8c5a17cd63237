#include "devices/virtio/testing/stepped_device.h"

#include <algorithm>
#include <utility>

#include "glog/logging.h"

namespace nacre::virtio {

std::span<const uint16_t> SteppedDevice::max_queue_sizes() const {
  static constexpr std::array<uint16_t, kQueues> kSizes = {64, 16};
  return kSizes;
}

std::vector<SharedMemoryRegion> SteppedDevice::shared_memory_regions() {
  return {{.id = 1, .host = region_}};
}

void SteppedDevice::ReadConfig(uint64_t /*offset*/, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), uint8_t{0});
}

void SteppedDevice::WriteConfig(uint64_t /*offset*/,
                                std::span<const uint8_t> /*data*/) {}

absl::Status SteppedDevice::Activate(Activation activation) {
  CHECK(!active_.has_value()) << "activated twice";
  active_ = std::move(activation);
  if ((active_->driver_features & kFeatureEvents) != 0) {
    notifier_ = active_->notifier;
    SetEvents(true);
  }
  return absl::OkStatus();
}

void SteppedDevice::Reset() {
  if (notifier_ != nullptr) SetEvents(false);
  notifier_ = nullptr;
  active_.reset();
}

void SteppedDevice::Step() {
  if (!active_.has_value()) return;
  for (ActiveQueue& active : active_->queues) {
    while (true) {
      auto popped = active.queue.Pop();
      if (!popped.ok()) {
        active_->notifier->SetNeedsReset();
        active_.reset();
        return;
      }
      if (!popped->has_value()) break;
      active.queue.Complete(**std::move(popped));
    }
    active.queue.EnableKicks();
    if (!active.queue.NeedsInterrupt()) continue;
    if (notifier_ != nullptr) {
      events_[active.index].Signal();
    } else {
      active_->notifier->NotifyUsedBuffers(active.index);
    }
  }
  active_->notifier->NotifyConfigChange();
}

void SteppedDevice::Relay() {
  for (uint16_t i = 0; i < kQueues; ++i) {
    if (events_[i].Clear() != 0 && notifier_ != nullptr) {
      notifier_->NotifyUsedBuffers(i);
    }
  }
}

void SteppedDevice::SetEvents(bool set) {
  for (uint16_t i = 0; i < kQueues; ++i) {
    notifier_->SetQueueEvent(i, set ? &events_[i] : nullptr);
  }
}

}  // namespace nacre::virtio
