#include "nacre/stress/shared_driver.h"

#include <utility>

#include "devices/virtio/virtqueue.h"
#include "glog/logging.h"

namespace nacre {

SharedDriver::SharedDriver(virtio::VirtioDevice* device)
    : device_(device), kicks_{*EventFd::Create(), *EventFd::Create()} {
  Activate();
}

SharedDriver::~SharedDriver() { device_->Reset(); }

void SharedDriver::Activate() {
  virtio::Activation activation{.driver_features = device_->device_features(),
                                .memory = nullptr,
                                .notifier = this,
                                .queues = {}};
  {
    MutexLock lock(mutex_);
    // Made before the last one goes: a device knows memory by its address.
    auto ram = std::make_unique<virtio::GuestRam>();
    ram_ = std::move(ram);
    CHECK_EQ(ram_->Allocate(kPixelBytes), kPixels);
    activation.memory = &ram_->memory();
    for (uint16_t i = 0; i < kNumQueues; ++i) {
      queues_[i].emplace(ram_.get(),
                         virtio::FakeQueue::Options{.size = kQueueSize});
      activation.queues.push_back({.index = i,
                                   .queue = *virtio::Virtqueue::Create(
                                       &ram_->memory(), queues_[i]->layout()),
                                   .kick = *kicks_[i].Duplicate()});
    }
  }
  // Not under the lock, as it may be notifying: for nothing, though, while
  // there is no work.
  CHECK(device_->Activate(std::move(activation)).ok());
  MutexLock lock(mutex_);
  running_ = true;
  changed_.SignalAll();
}

uint64_t SharedDriver::Submit(Queue queue, std::span<const uint8_t> request,
                              uint32_t room, bool wait) {
  while (!running_ || queues_[queue]->free_descriptors() == 0) {
    changed_.Wait(mutex_);
  }
  const uint16_t head =
      queues_[queue]->Chain().Readable(request).Writable(room).Submit();
  if (wait) waiting_[{queue, head}] = ++submitted_;
  if (queues_[queue]->NeedsKick()) kicks_[queue].Signal();
  return submitted_;
}

std::optional<std::vector<uint8_t>> SharedDriver::Call(
    std::span<const uint8_t> request, uint32_t room, Queue queue) {
  MutexLock lock(mutex_);
  const uint64_t number = Submit(queue, request, room, /*wait=*/true);
  const uint64_t resets = resets_;
  while (resets == resets_ && !arrived_.contains(number)) changed_.Wait(mutex_);
  auto arrived = arrived_.extract(number);
  if (arrived.empty()) return std::nullopt;
  return std::move(arrived.mapped());
}

void SharedDriver::Start(std::span<const uint8_t> request, uint32_t room) {
  MutexLock lock(mutex_);
  Submit(kControl, request, room, /*wait=*/false);
}

void SharedDriver::Reset() {
  {
    MutexLock lock(mutex_);
    ++resets_;
    running_ = false;
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

void SharedDriver::NotifyUsedBuffers(uint16_t index) {
  MutexLock lock(mutex_);
  if (!running_) return;
  while (std::optional<virtio::UsedChain> used = queues_[index]->PopUsed()) {
    ++answers_;
    const auto waiter = waiting_.extract({index, used->head});
    if (waiter.empty()) continue;
    arrived_.emplace(waiter.mapped(), std::move(used->response));
  }
  changed_.SignalAll();
}

void SharedDriver::SetNeedsReset() { LOG(FATAL) << "the ring is broken"; }

}  // namespace nacre
