// What the guest's test programs share: flags of the form --name=N, failing
// with one line, and counting open file descriptors. These programs run inside
// the guest, link nothing of ours but this, and talk only to EGL, GLES, Vulkan.

#ifndef NACRE_GUEST_PROGRAMS_REPORT_H_
#define NACRE_GUEST_PROGRAMS_REPORT_H_

#include <chrono>
#include <cstdint>
#include <set>
#include <string>

namespace nacre::guest {

// Prints `PROGRAM: FAIL: ...` to standard error and exits with 1.
[[noreturn]] void Fail(const char* format, ...)
    __attribute__((format(printf, 1, 2)));

// A flag --name=N with `min` <= N <= `max`; *value holds its default.
struct Flag {
  const char* name;
  uint32_t* value;
  uint32_t min;
  uint32_t max;
};

// Sets the flags from the command line and keeps the program's name for
// messages. An unknown flag or a value out of range prints what would be right
// and exits with 2. `flags` ends with an entry whose name is nullptr.
void ParseFlags(int argc, char** argv, const Flag* flags);

// The file descriptors that this process has open, as "number (target)".
std::set<std::string> OpenFds();
// Fails, naming them, if there are any that are not in `before`.
void FailIfFdsLeaked(const std::set<std::string>& before);

// Milliseconds since `start`.
inline int64_t MillisecondsSince(std::chrono::steady_clock::time_point start) {
  return static_cast<int64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(
          std::chrono::steady_clock::now() - start)
          .count());
}

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_REPORT_H_
