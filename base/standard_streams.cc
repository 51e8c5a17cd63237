#include "base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

namespace nacre {

void OpenStandardStreams() {
  // The lowest number that is free is the one that a file gets.
  int fd = -1;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
}

}  // namespace nacre
