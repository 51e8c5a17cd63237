#include "vmm/image_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"

namespace nacre::vmm {

ImageFile::ImageFile(std::string name, Fd fd, uint64_t size)
    : name_(std::move(name)), fd_(std::move(fd)), size_(size) {}

absl::StatusOr<ImageFile> ImageFile::Open(absl::string_view role,
                                          const std::string& path) {
  const std::string name = absl::StrCat(role, " ", path);
  // Without waiting for who would write to a FIFO.
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ENOENT) {
      return absl::NotFoundError(
          absl::StrCat(name, ": no such file; give the path of one"));
    }
    return ErrnoStatus(name);
  }
  struct stat info = {};
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(name);
  if (!S_ISREG(info.st_mode) || info.st_size == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(name,
                     ": empty or not a regular file; give the path of an "
                     "image"));
  }
  return ImageFile(name, std::move(fd), static_cast<uint64_t>(info.st_size));
}

absl::StatusOr<std::vector<uint8_t>> ImageFile::ReadHead(size_t limit) const {
  std::vector<uint8_t> head(std::min<uint64_t>(size_, limit));
  size_t done = 0;
  while (done < head.size()) {
    const ssize_t count = pread(fd_.get(), head.data() + done,
                                head.size() - done, static_cast<off_t>(done));
    if (count < 0) return ErrnoStatus(name_);
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  head.resize(done);
  return head;
}

absl::Status ImageFile::LoadTo(const GuestMemory& memory, uint64_t offset,
                               uint64_t size, uint64_t address) const {
  return Annotate(memory.WriteFromFile(address, fd_.get(), offset, size));
}

absl::Status ImageFile::Annotate(const absl::Status& status) const {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(name_, ": ", status.message()));
}

}  // namespace nacre::vmm
