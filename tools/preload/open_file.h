#ifndef NACRE_TOOLS_PRELOAD_OPEN_FILE_H_
#define NACRE_TOOLS_PRELOAD_OPEN_FILE_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/errno_status.h"

namespace nacre::preload {

// What a descriptor of ours stands for (a kernel struct file): shared by all
// descriptors that were duplicated from one. Thread-safe. Each status carries
// the errno.
class OpenFile {
 public:
  virtual ~OpenFile() = default;

  // ioctl(2) with the program's own pointer, which is used as it is: a wild one
  // is the program's crash.
  virtual absl::Status Ioctl(uint32_t request, void* argument) = 0;

  // read(2): the bytes read.
  virtual absl::StatusOr<size_t> Read(void* /*bytes*/, size_t /*size*/) {
    return ErrnoStatus(EINVAL, "read of what has nothing to read");
  }

  // What mmap(2) asks for, but for the descriptor.
  struct MapRequest {
    void* address = nullptr;
    size_t length = 0;
    int protection = 0;
    int flags = 0;
    uint64_t offset = 0;
  };
  // Whether Map answers; else the descriptor behind is mapped.
  virtual bool maps() const { return false; }
  virtual absl::StatusOr<void*> Map(const MapRequest& /*request*/) {
    return ErrnoStatus(ENODEV, "mmap");
  }
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_OPEN_FILE_H_
