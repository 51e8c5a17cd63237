#include "devices/virtio/testing/fake_driver.h"

#include <chrono>
#include <utility>

#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

std::chrono::steady_clock::time_point Deadline() {
  return std::chrono::steady_clock::now() + std::chrono::seconds(30);
}

}  // namespace

FakeDriver::FakeDriver(VirtioDevice* device, const Options& options)
    : device_(device), options_(options), ram_(options.ram_size) {}

FakeDriver::~FakeDriver() { device_->Reset(); }

absl::Status FakeDriver::Start() {
  CHECK(queues_.empty()) << "started already: Reset first";
  const uint64_t features = device_->device_features() & options_.features;
  if (!device_->AcceptsFeatures(features)) {
    return absl::FailedPreconditionError("the device refuses the features");
  }
  driver_features_ = features;
  Activation activation{.driver_features = features,
                        .memory = &ram_.memory(),
                        .notifier = this,
                        .queues = {}};
  for (const uint16_t max_size : device_->max_queue_sizes()) {
    ASSIGN_OR_RETURN(EventFd kick, EventFd::Create());
    ASSIGN_OR_RETURN(EventFd device_kick, kick.Duplicate());
    auto fake = std::make_unique<FakeQueue>(
        &ram_,
        FakeQueue::Options{
            .size = options_.queue_size != 0 ? options_.queue_size : max_size,
            .event_index = options_.event_index,
            .indirect = options_.indirect});
    ASSIGN_OR_RETURN(Virtqueue queue,
                     Virtqueue::Create(&ram_.memory(), fake->layout()));
    activation.queues.push_back({.index = static_cast<uint16_t>(queues_.size()),
                                 .queue = std::move(queue),
                                 .kick = std::move(device_kick)});
    queues_.push_back(
        std::make_unique<Queue>(Queue{std::move(fake), std::move(kick)}));
  }
  {
    MutexLock lock(mutex_);
    interrupts_.assign(queues_.size(), 0);
    config_changes_ = 0;
    needs_reset_ = false;
  }
  return device_->Activate(std::move(activation));
}

void FakeDriver::Reset() {
  device_->Reset();
  queues_.clear();
}

void FakeDriver::Kick(uint16_t index) {
  if (queue(index).NeedsKick()) KickAnyway(index);
}

void FakeDriver::KickAnyway(uint16_t index) {
  queues_.at(index)->kick.Signal();
}

UsedChain FakeDriver::WaitUsed(uint16_t index) {
  std::optional<UsedChain> used = WaitUsedOrNeedsReset(index);
  CHECK(used.has_value()) << "the device found its queues broken";
  return *std::move(used);
}

std::optional<UsedChain> FakeDriver::WaitUsedOrNeedsReset(uint16_t index) {
  FakeQueue& fake = queue(index);
  const auto deadline = Deadline();
  MutexLock lock(mutex_);
  while (true) {
    const int seen = interrupts_.at(index);
    if (std::optional<UsedChain> used = fake.PopUsed()) return used;
    while (interrupts_.at(index) == seen) {
      if (needs_reset_) return std::nullopt;
      if (!changed_.WaitUntil(mutex_, deadline)) {
        LOG(FATAL) << "no interrupt for queue " << index << " in 30 s";
      }
    }
  }
}

std::vector<uint8_t> FakeDriver::Call(uint16_t index,
                                      std::span<const uint8_t> request,
                                      uint32_t response_size) {
  auto response = TryCall(index, request, response_size);
  CHECK(response.has_value()) << "the device found its queues broken";
  return *std::move(response);
}

std::optional<std::vector<uint8_t>> FakeDriver::TryCall(
    uint16_t index, std::span<const uint8_t> request, uint32_t response_size) {
  FakeQueue::ChainBuilder chain = queue(index).Chain();
  chain.Readable(request);
  if (response_size != 0) chain.Writable(response_size);
  const uint16_t head = chain.Submit();
  Kick(index);
  std::optional<UsedChain> used = WaitUsedOrNeedsReset(index);
  if (!used) return std::nullopt;
  CHECK_EQ(used->head, head) << "another request was completed first";
  return std::move(used->response);
}

int FakeDriver::interrupts(uint16_t index) const {
  MutexLock lock(mutex_);
  return interrupts_.at(index);
}

int FakeDriver::config_changes() const {
  MutexLock lock(mutex_);
  return config_changes_;
}

bool FakeDriver::needs_reset() const {
  MutexLock lock(mutex_);
  return needs_reset_;
}

void FakeDriver::WaitNeedsReset() {
  const auto deadline = Deadline();
  MutexLock lock(mutex_);
  while (!needs_reset_) {
    CHECK(changed_.WaitUntil(mutex_, deadline)) << "no NEEDS_RESET in 30 s";
  }
}

void FakeDriver::WaitConfigChanges(int count) {
  const auto deadline = Deadline();
  MutexLock lock(mutex_);
  while (config_changes_ < count) {
    CHECK(changed_.WaitUntil(mutex_, deadline)) << "no config change in 30 s";
  }
}

void FakeDriver::NotifyUsedBuffers(uint16_t index) {
  MutexLock lock(mutex_);
  ++interrupts_.at(index);
  changed_.SignalAll();
}

void FakeDriver::NotifyConfigChange() {
  MutexLock lock(mutex_);
  ++config_changes_;
  changed_.SignalAll();
}

void FakeDriver::SetNeedsReset() {
  MutexLock lock(mutex_);
  needs_reset_ = true;
  changed_.SignalAll();
}

}  // namespace nacre::virtio
