// glog asks for the user's name before main, where USER is not set, to name its
// files by it. A static program's C library would look for it with the host's
// own modules (nsswitch.conf(5)), which were built for another C library: for a
// user who is not in /etc/passwd, as a container's may be, that crashes. Users
// have no names here, then; glog's files are named by their number.

#include <pwd.h>
#include <sys/types.h>

#include <cstddef>

extern "C" int getpwuid_r(uid_t, passwd*, char*, size_t, passwd** result) {
  *result = nullptr;
  return 0;
}
