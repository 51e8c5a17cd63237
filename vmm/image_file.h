#ifndef NACRE_VMM_IMAGE_FILE_H_
#define NACRE_VMM_IMAGE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"
#include "vmm/guest_memory.h"

namespace nacre::vmm {

// A file that goes into guest memory: a kernel, an initial RAM disk.
class ImageFile {
 public:
  // `role` names it in messages ("kernel"). Errors, with path and role, at
  // once: NotFound; InvalidArgument for a directory, a FIFO and the like, or an
  // empty file; the errno.
  static absl::StatusOr<ImageFile> Open(absl::string_view role,
                                        const std::string& path);

  uint64_t size() const { return size_; }
  // The first min(size(), `limit`) bytes.
  absl::StatusOr<std::vector<uint8_t>> ReadHead(size_t limit) const;
  // Copies [offset, offset + size) of the file to guest memory. Errors:
  // OutOfRange where that is not all RAM; DataLoss where the file has become
  // shorter; the errno.
  absl::Status LoadTo(const GuestMemory& memory, uint64_t offset, uint64_t size,
                      uint64_t address) const;
  // `status` with role and path before its message.
  absl::Status Annotate(const absl::Status& status) const;

 private:
  ImageFile(std::string name, Fd fd, uint64_t size);

  std::string name_;  // Role and path.
  Fd fd_;
  uint64_t size_;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_IMAGE_FILE_H_
