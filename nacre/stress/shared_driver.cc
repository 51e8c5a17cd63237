#include "nacre/stress/shared_driver.h"

#include <utility>

#include "devices/virtio/virtqueue.h"
#include "glog/logging.h"

namespace nacre {

SharedDriver::SharedDriver(virtio::VirtioDevice* device)
    : device_(device), kick_(*EventFd::Create()) {
  Activate();
}

SharedDriver::~SharedDriver() { device_->Reset(); }

void SharedDriver::Activate() {
  virtio::Activation activation{.driver_features = device_->device_features(),
                                .memory = nullptr,
                                .notifier = this,
                                .queues = {}};
  MutexLock lock(mutex_);
  ram_.emplace();
  queue_.emplace(&*ram_, virtio::FakeQueue::Options{.size = kQueueSize});
  activation.memory = &ram_->memory();
  activation.queues.push_back(
      {.index = 0,
       .queue = *virtio::Virtqueue::Create(&ram_->memory(), queue_->layout()),
       .kick = *kick_.Duplicate()});
  // It notifies nobody before it has work.
  CHECK(device_->Activate(std::move(activation)).ok());
  changed_.SignalAll();
}

uint64_t SharedDriver::Submit(std::span<const uint8_t> request, uint32_t room,
                              bool wait) {
  while (!queue_ || queue_->free_descriptors() == 0) changed_.Wait(mutex_);
  const uint16_t head =
      queue_->Chain().Readable(request).Writable(room).Submit();
  if (wait) waiting_[head] = ++submitted_;
  if (queue_->NeedsKick()) kick_.Signal();
  return submitted_;
}

std::optional<std::vector<uint8_t>> SharedDriver::Call(
    std::span<const uint8_t> request, uint32_t room) {
  MutexLock lock(mutex_);
  const uint64_t number = Submit(request, room, /*wait=*/true);
  const uint64_t resets = resets_;
  while (resets == resets_ && !arrived_.contains(number)) changed_.Wait(mutex_);
  auto arrived = arrived_.extract(number);
  if (arrived.empty()) return std::nullopt;
  return std::move(arrived.mapped());
}

void SharedDriver::Start(std::span<const uint8_t> request, uint32_t room) {
  MutexLock lock(mutex_);
  Submit(request, room, /*wait=*/false);
}

void SharedDriver::Reset() {
  {
    MutexLock lock(mutex_);
    ++resets_;
    queue_.reset();
    waiting_.clear();
    changed_.SignalAll();
  }
  // Not under the lock: the device may be notifying.
  device_->Reset();
  Activate();
}

uint64_t SharedDriver::answers() const {
  MutexLock lock(mutex_);
  return answers_;
}

void SharedDriver::NotifyUsedBuffers(uint16_t) {
  MutexLock lock(mutex_);
  if (!queue_) return;
  while (std::optional<virtio::UsedChain> used = queue_->PopUsed()) {
    ++answers_;
    const auto waiter = waiting_.extract(used->head);
    if (waiter.empty()) continue;
    arrived_.emplace(waiter.mapped(), std::move(used->response));
  }
  changed_.SignalAll();
}

void SharedDriver::SetNeedsReset() { LOG(FATAL) << "the ring is broken"; }

}  // namespace nacre
