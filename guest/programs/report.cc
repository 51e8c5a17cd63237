#include "guest/programs/report.h"

#include <dirent.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace nacre::guest {
namespace {

const char* program = "?";

[[noreturn]] void Usage(const Flag* flags) {
  std::fprintf(stderr, "usage: %s", program);
  for (const Flag* flag = flags; flag->name != nullptr; ++flag) {
    std::fprintf(stderr, " [--%s=%u..%u (%u)]", flag->name, flag->min,
                 flag->max, *flag->value);
  }
  std::fprintf(stderr, "\n");
  std::exit(2);
}

// Whether `argument` is --name=N for this flag, with N in range.
bool Set(const Flag& flag, const char* argument) {
  const size_t length = std::strlen(flag.name);
  if (std::strncmp(argument, "--", 2) != 0 ||
      std::strncmp(argument + 2, flag.name, length) != 0 ||
      argument[2 + length] != '=') {
    return false;
  }
  const char* digits = argument + 2 + length + 1;
  char* end = nullptr;
  const uintmax_t value = std::strtoumax(digits, &end, 10);
  if (end == digits || *end != '\0' || *digits == '-' || value < flag.min ||
      value > flag.max) {
    return false;
  }
  *flag.value = static_cast<uint32_t>(value);
  return true;
}

}  // namespace

void Fail(const char* format, ...) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s: FAIL: ", program);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fprintf(stderr, "\n");
  std::exit(1);
}

void ParseFlags(int argc, char** argv, const Flag* flags) {
  if (argc > 0) {
    const char* slash = std::strrchr(argv[0], '/');
    program = slash != nullptr ? slash + 1 : argv[0];
  }
  for (int i = 1; i < argc; ++i) {
    const Flag* flag = flags;
    while (flag->name != nullptr && !Set(*flag, argv[i])) ++flag;
    if (flag->name == nullptr) Usage(flags);
  }
}

std::set<std::string> OpenFds() {
  std::set<std::string> fds;
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) Fail("cannot read /proc/self/fd: is /proc mounted?");
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    if (name[0] == '.' || name == std::to_string(dirfd(folder))) continue;
    char target[256] = {};
    if (readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1) <
        0) {
      Fail("cannot read /proc/self/fd/%s", name.c_str());
    }
    fds.insert(name + " (" + target + ")");
  }
  closedir(folder);
  return fds;
}

void FailIfFdsLeaked(const std::set<std::string>& before) {
  // Mesa 25.0's virtio backend of freedreno reads its own command line, for the
  // host's logs, and leaves the file open.
  const std::string mesas_own = "/cmdline)";
  std::string leaked;
  for (const std::string& fd : OpenFds()) {
    const bool known = fd.size() > mesas_own.size() &&
                       fd.compare(fd.size() - mesas_own.size(),
                                  std::string::npos, mesas_own) == 0;
    if (!known && before.count(fd) == 0) leaked += " " + fd;
  }
  if (!leaked.empty()) Fail("file descriptors left open:%s", leaked.c_str());
}

}  // namespace nacre::guest
