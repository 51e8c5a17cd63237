#include "simulator/buffer.h"

#include <utility>

#include "simulator/buffer_pool.h"

namespace nacre::simulator {

Buffer::~Buffer() {
  std::vector<std::weak_ptr<BufferObserver>> observers;
  {
    MutexLock lock(mutex_);
    observers.swap(observers_);
  }
  for (const std::weak_ptr<BufferObserver>& weak : observers) {
    if (const auto observer = weak.lock()) observer->OnBufferGone(this);
  }
  pool_.OnDestroyed(*this);
}

void Buffer::set_name(std::string name) {
  MutexLock lock(mutex_);
  name_ = std::move(name);
}

std::string Buffer::name() const {
  MutexLock lock(mutex_);
  return name_;
}

void Buffer::set_metadata(std::vector<uint8_t> metadata) {
  MutexLock lock(mutex_);
  metadata_ = std::move(metadata);
}

std::vector<uint8_t> Buffer::metadata() const {
  MutexLock lock(mutex_);
  return metadata_;
}

void Buffer::AddObserver(const std::weak_ptr<BufferObserver>& observer) {
  MutexLock lock(mutex_);
  // Files come and go while a shared buffer stays.
  std::erase_if(observers_, [](const auto& weak) { return weak.expired(); });
  observers_.push_back(observer);
}

void Buffer::RemoveObserver(const std::weak_ptr<BufferObserver>& observer) {
  MutexLock lock(mutex_);
  std::erase_if(observers_, [&observer](const auto& weak) {
    return !weak.owner_before(observer) && !observer.owner_before(weak);
  });
}

}  // namespace nacre::simulator
