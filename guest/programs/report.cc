#include "guest/programs/report.h"

#include <dirent.h>

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

int OpenFds() {
  DIR* fds = opendir("/proc/self/fd");
  if (fds == nullptr) Fail("cannot read /proc/self/fd: is /proc mounted?");
  int count = 0;
  while (const dirent* entry = readdir(fds)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(fds);
  return count - 1;  // without the one that reads the folder
}

}  // namespace nacre::guest
