#include "base/testing/lingering_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include "glog/logging.h"

namespace nacre {

LingeringSocket MakeLingeringSocket() {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  PCHECK(bind(listener.get(), generic, size) == 0);
  PCHECK(listen(listener.get(), 1) == 0);
  PCHECK(getsockname(listener.get(), generic, &size) == 0);
  LingeringSocket made{
      .socket = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), .peer = {}};
  PCHECK(connect(made.socket.get(), generic, size) == 0);
  made.peer = Fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  PCHECK(made.peer.valid());
  const linger hour = {.l_onoff = 1, .l_linger = 3600};
  PCHECK(setsockopt(made.socket.get(), SOL_SOCKET, SO_LINGER, &hour,
                    sizeof(hour)) == 0);
  const std::array<char, 4096> bytes = {};
  while (send(made.socket.get(), bytes.data(), bytes.size(),
              MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
  }
  return made;
}

}  // namespace nacre
