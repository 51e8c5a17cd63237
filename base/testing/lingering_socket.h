#ifndef NACRE_BASE_TESTING_LINGERING_SOCKET_H_
#define NACRE_BASE_TESTING_LINGERING_SOCKET_H_

#include "base/fd.h"

namespace nacre {

// A file whose last close waits: a TCP socket with bytes that nobody reads and
// a SO_LINGER of an hour.
struct LingeringSocket {
  Fd socket;
  Fd peer;  // Upon whose end it waits no more.
};

// CHECKs.
LingeringSocket MakeLingeringSocket();

}  // namespace nacre

#endif  // NACRE_BASE_TESTING_LINGERING_SOCKET_H_
