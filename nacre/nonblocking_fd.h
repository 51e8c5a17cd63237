#ifndef NACRE_NACRE_NONBLOCKING_FD_H_
#define NACRE_NACRE_NONBLOCKING_FD_H_

#include <sys/types.h>

#include <cstdint>
#include <span>

#include "absl/strings/string_view.h"
#include "base/fd.h"

namespace nacre {

// Reads or writes a descriptor that was inherited, and does not wait. Not by
// O_NONBLOCK on the descriptor: that is a flag of its open file description,
// which is also that of whoever started this program and of others who were,
// and their reads and writes are to wait as before. Instead:
//
//   a pipe or a terminal   is opened again, by /proc/self/fd, with O_NONBLOCK
//   a socket               cannot be opened, and takes MSG_DONTWAIT
//   all else               is asked by poll(2) first; a file is always ready
//
// A pipe or a terminal that cannot be opened again is asked by poll(2), too:
// one of another user, or where there is no /proc. Only then may a call wait,
// where somebody else reads or writes the same thing between the two.
// Thread-safe.
class NonblockingFd {
 public:
  // `fd` is borrowed. `access` is O_RDONLY or O_WRONLY.
  NonblockingFd(int fd, int access);

  // To be polled, and the one that is read or written.
  int get() const { return own_.valid() ? own_.get() : fd_; }

  // As read(2) and write(2): EAGAIN where one would wait. Of up to PIPE_BUF
  // bytes a pipe takes all or none.
  ssize_t Read(std::span<uint8_t> bytes) const;
  ssize_t Write(absl::string_view text) const;

 private:
  // False, and EAGAIN, where there is something to wait for.
  bool Ready(short event) const;

  const int fd_;
  Fd own_;
  bool socket_ = false;
};

}  // namespace nacre

#endif  // NACRE_NACRE_NONBLOCKING_FD_H_
