#ifndef NACRE_BASE_TESTING_HOLDINGS_H_
#define NACRE_BASE_TESTING_HOLDINGS_H_

#include <cstddef>
#include <initializer_list>
#include <ostream>
#include <string>

namespace nacre {

// What a process has of its host, to compare before and after.
struct Holdings {
  size_t fds = 0;
  size_t threads = 0;
  size_t mappings = 0;

  // This one.
  static constexpr char kSelf[] = "/proc/self";

  // Mappings are those whose line in maps of `process`, its folder in proc(5),
  // has one of `words`; not all, since the heap's and threads' stacks may be
  // kept for later.
  static Holdings Now(std::initializer_list<const char*> words,
                      const std::string& process = kSelf);

  // Looks again until there are no more threads than `most`, or so many times:
  // the kernel lists a thread for a moment after it was joined.
  void WaitForThreads(size_t most, int looks = 100000,
                      const std::string& process = kSelf);

  friend bool operator==(const Holdings&, const Holdings&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Holdings& held) {
    return out << held.fds << " descriptors, " << held.threads << " threads, "
               << held.mappings << " mappings";
  }
};

}  // namespace nacre

#endif  // NACRE_BASE_TESTING_HOLDINGS_H_
