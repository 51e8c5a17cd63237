#include "base/page_size.h"

#include <unistd.h>

#include "base/checked.h"
#include "glog/logging.h"

namespace nacre {

uint64_t HostPageSize() {
  static const uint64_t size = [] {
    const long bytes = sysconf(_SC_PAGESIZE);  // NOLINT(google-runtime-int)
    CHECK(bytes > 0 && IsPowerOfTwo(static_cast<uint64_t>(bytes)) &&
          static_cast<uint64_t>(bytes) >= kSmallestPageSize)
        << "page size " << bytes;
    return static_cast<uint64_t>(bytes);
  }();
  return size;
}

}  // namespace nacre
