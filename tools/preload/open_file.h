#ifndef NACRE_TOOLS_PRELOAD_OPEN_FILE_H_
#define NACRE_TOOLS_PRELOAD_OPEN_FILE_H_

#include <cstdint>

#include "absl/status/status.h"

namespace nacre::preload {

// What a descriptor of ours stands for (a kernel struct file): shared by all
// descriptors that were duplicated from one. Thread-safe.
class OpenFile {
 public:
  virtual ~OpenFile() = default;
  // ioctl(2) with the program's own pointer, which is used as it is: a wild one
  // is the program's crash. The status carries the errno.
  virtual absl::Status Ioctl(uint32_t request, void* argument) = 0;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_OPEN_FILE_H_
