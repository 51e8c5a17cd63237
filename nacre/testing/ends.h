#ifndef NACRE_NACRE_TESTING_ENDS_H_
#define NACRE_NACRE_TESTING_ENDS_H_

#include <fcntl.h>
#include <pty.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "gtest/gtest.h"

namespace nacre {

// Two ends of something that its makers read and write by blocking calls; a
// test that hangs has waited in one.
struct Ends {
  Fd reader, writer;
};

inline Ends Pipe() {
  int fds[2] = {-1, -1};
  EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
  return {Fd(fds[0]), Fd(fds[1])};
}

inline Ends Sockets() {
  int fds[2] = {-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  return {Fd(fds[0]), Fd(fds[1])};
}

// The writer is the terminal, the reader who shows it.
inline Ends Terminal() {
  int master = -1;
  int slave = -1;
  EXPECT_EQ(openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  return {Fd(master), Fd(slave)};
}

}  // namespace nacre

#endif  // NACRE_NACRE_TESTING_ENDS_H_
