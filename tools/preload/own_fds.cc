#include "tools/preload/own_fds.h"

namespace nacre::preload {

OwnFds& OwnFds::Get() {
  static OwnFds own_fds;
  return own_fds;
}

}  // namespace nacre::preload
