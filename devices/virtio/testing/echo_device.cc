#include "devices/virtio/testing/echo_device.h"

#include <poll.h>

#include <algorithm>
#include <utility>

namespace nacre::virtio {

EchoDevice::EchoDevice(std::span<uint8_t> shared_memory)
    : shared_memory_(shared_memory), stop_(*EventFd::Create()) {}

EchoDevice::~EchoDevice() { EchoDevice::Reset(); }

void EchoDevice::ChangeConfig(uint8_t first_byte) {
  config_[0] = first_byte;
  notifier_->NotifyConfigChange();
}

bool EchoDevice::AcceptsFeatures(uint64_t driver_features) const {
  return (driver_features & kFeatures) != kFeatureNeedsOne;
}

std::vector<SharedMemoryRegion> EchoDevice::shared_memory_regions() {
  if (shared_memory_.empty()) return {};
  return {{.id = kRegionId, .host = shared_memory_}};
}

void EchoDevice::ReadConfig(uint64_t offset, std::span<uint8_t> data) {
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = offset + i < config_.size() ? config_[offset + i].load() : 0;
  }
}

void EchoDevice::WriteConfig(uint64_t offset, std::span<const uint8_t> data) {
  for (size_t i = 0; i < data.size() && offset + i < config_.size(); ++i) {
    config_[offset + i] = data[i];
  }
}

absl::Status EchoDevice::Activate(Activation activation) {
  if (std::exchange(fail_activate_, false)) {
    return absl::InternalError("told to fail");
  }
  active_ = {.driver_features = activation.driver_features, .queues = {}};
  for (const ActiveQueue& queue : activation.queues) {
    active_->queues.push_back(queue.index);
  }
  notifier_ = activation.notifier;
  thread_ = std::thread(&EchoDevice::Run, this, std::move(activation.queues));
  return absl::OkStatus();
}

void EchoDevice::Reset() {
  ++resets_;
  active_.reset();
  if (!thread_.joinable()) return;
  stop_.Signal();
  thread_.join();
  stop_.Clear();
}

void EchoDevice::Run(std::vector<ActiveQueue> queues) {
  std::vector<pollfd> fds = {{stop_.fd(), POLLIN, 0}};
  for (const ActiveQueue& queue : queues) {
    fds.push_back({queue.kick.fd(), POLLIN, 0});
  }
  while (true) {
    poll(fds.data(), fds.size(), -1);
    if (fds[0].revents != 0) return;
    for (size_t i = 0; i < queues.size(); ++i) {
      if (fds[i + 1].revents != 0 && !Serve(queues[i])) {
        return notifier_->SetNeedsReset();
      }
    }
  }
}

bool EchoDevice::Serve(ActiveQueue& active) {
  active.kick.Clear();
  active.queue.DisableKicks();
  do {
    while (true) {
      absl::StatusOr<std::optional<DescriptorChain>> popped =
          active.queue.Pop();
      if (!popped.ok()) return false;
      if (!popped->has_value()) break;
      DescriptorChain chain = **std::move(popped);
      std::vector<uint8_t> bytes(
          std::min(chain.readable_size(), chain.writable_size()));
      chain.Read(bytes).IgnoreError();
      chain.Write(bytes).IgnoreError();
      active.queue.Complete(std::move(chain));
    }
  } while (active.queue.EnableKicks());
  if (active.queue.NeedsInterrupt()) {
    notifier_->NotifyUsedBuffers(active.index);
  }
  return true;
}

}  // namespace nacre::virtio
