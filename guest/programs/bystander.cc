#include "guest/programs/bystander.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "guest/programs/report.h"

namespace nacre::guest {

bool Bystander::Question::GoesOn() {
  if (tell_ >= 0) {
    if (write(tell_, "", 1) != 1) Fail("the parent is gone");
    close(tell_);
    tell_ = -1;
  }
  // Readable once the parent has closed its end.
  pollfd stop = {.fd = told_, .events = POLLIN, .revents = 0};
  return poll(&stop, 1, 0) == 0;
}

Bystander::Bystander(void (*use)(Question question)) {
  int stop[2];
  int ready[2];
  if (pipe(stop) != 0 || pipe(ready) != 0) {
    Fail("pipe: %s", std::strerror(errno));
  }
  child_ = fork();
  if (child_ < 0) Fail("fork: %s", std::strerror(errno));
  if (child_ == 0) {
    close(stop[1]);
    close(ready[0]);
    use(Question(stop[0], ready[1]));
    std::exit(0);
  }
  close(stop[0]);
  close(ready[1]);
  stop_ = stop[1];
  char byte = 0;
  if (read(ready[0], &byte, 1) != 1) Fail("the bystander does not start");
  close(ready[0]);
}

void Bystander::Finish() {
  close(stop_);
  int status = 0;
  if (waitpid(child_, &status, 0) != child_) {
    Fail("waitpid: %s", std::strerror(errno));
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    Fail("the bystander failed: wait status %#x",
         static_cast<unsigned>(status));
  }
}

}  // namespace nacre::guest
