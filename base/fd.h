#ifndef NACRE_BASE_FD_H_
#define NACRE_BASE_FD_H_

#include <utility>

#include "absl/status/statusor.h"

namespace nacre {

// Owns a file descriptor: closes it once. Empty after being moved from.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this == &other) return *this;
    const int fd = std::exchange(other.fd_, -1);
    if (fd_ >= 0) {
      Reset(fd);
    } else {
      fd_ = fd;
    }
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) Reset();
  }

  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1);

  // A second descriptor of the same open file, close-on-exec.
  absl::StatusOr<Fd> Duplicate() const;

 private:
  int fd_ = -1;
};

}  // namespace nacre

#endif  // NACRE_BASE_FD_H_
