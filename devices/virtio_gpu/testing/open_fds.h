#ifndef NACRE_DEVICES_VIRTIO_GPU_TESTING_OPEN_FDS_H_
#define NACRE_DEVICES_VIRTIO_GPU_TESTING_OPEN_FDS_H_

#include <dirent.h>

#include <chrono>
#include <cstddef>
#include <thread>

#include "glog/logging.h"

namespace nacre::virtio_gpu {

// How many descriptors this process has open, for tests that want as many
// before as after.
inline size_t OpenFds() {
  DIR* const directory = opendir("/proc/self/fd");
  PCHECK(directory != nullptr);
  size_t count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

// Whether there are `count` soon: the device closes a fence after the guest has
// heard of it.
inline bool AwaitOpenFds(size_t count) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (OpenFds() != count) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_TESTING_OPEN_FDS_H_
