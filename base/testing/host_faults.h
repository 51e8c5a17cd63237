#ifndef NACRE_BASE_TESTING_HOST_FAULTS_H_
#define NACRE_BASE_TESTING_HOST_FAULTS_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace nacre {

// What tests have a host say of a call that fails.
inline constexpr int kHostErrors[] = {ENOMEM, EINVAL, EIO,    EBUSY,
                                      EMFILE, EPERM,  ENOSPC, ENOSYS,
                                      EFAULT, EINTR,  EAGAIN};

// A kernel says the others once, for its caller to try again.
constexpr bool MayLast(int error) { return error != EINTR && error != EAGAIN; }

// The host's bad luck: while one of these exists, calls that our code makes of
// the host fail as planned, without being made. They are those of the C
// library that host_faults.cc lists, from ioctl to memfd_create, on any thread;
// the libraries that we use make theirs as ever. One at a time.
//
// Not among them is what fails for no want of anything, as close and poll: not
// to make it would only be a bug of ours. To end a child and to wait for it
// fails once at most, since else it could never be gone.
//
// Where calls fail from one on, our code does not sleep from there: the pauses
// in which it waits for better luck are over at once.
//
// Under sanitizers, limits, signal handlers and prctl are not among them
// either.
//
// Works by the linker (--wrap), so that a test that depends on this must be
// linked statically: linkstatic = True.
class HostFault {
 public:
  struct Plan {
    uint64_t first = UINT64_MAX;  // Of those made from now on; from 0.
    bool repeatedly = false;      // And all behind it.
    int error = 0;                // Their errno. Where it is 0 ...
    int result = 0;               // ... they return this.
    // Only ioctls of this code count, where there is one.
    std::optional<uint64_t> request = std::nullopt;
    // Rather those of the processes that this one clones, all of them one
    // after another, until they execute another program.
    bool in_children = false;
  };

  // Its thread's calls are made, and not counted, while it exists: what a test
  // itself needs.
  class Exempt {
   public:
    Exempt();
    ~Exempt();
    Exempt(const Exempt&) = delete;
    Exempt& operator=(const Exempt&) = delete;
  };

  explicit HostFault(const Plan& plan);
  ~HostFault();
  HostFault(const HostFault&) = delete;
  HostFault& operator=(const HostFault&) = delete;

  // Made so far, failed ones included.
  uint64_t calls() const;
  // The first that failed, as "ioctl(0xae80)"; empty where none did.
  std::string failed() const;
};

// Each of `calls` calls with each of kHostErrors: once and, where it may last,
// from then on.
inline std::vector<HostFault::Plan> EachFault(uint64_t calls) {
  std::vector<HostFault::Plan> plans;
  for (uint64_t call = 0; call < calls; ++call) {
    for (const int error : kHostErrors) {
      plans.push_back({.first = call, .error = error});
      if (!MayLast(error)) continue;
      plans.push_back({.first = call, .repeatedly = true, .error = error});
    }
  }
  return plans;
}

// Has `life`, which makes `calls` calls, with each of them failing: the first
// of its kind with each of kHostErrors, the others with one of them by turns
// and with those that our code tells from others; once and, where it may last,
// from then on. `life` takes a HostFault::Plan and returns what failed. Returns
// how many kinds of calls there were.
template <typename Life>
size_t FailEachCall(uint64_t calls, const Life& life) {
  std::set<std::string> kinds;
  for (uint64_t call = 0; call < calls; ++call) {
    const std::string kind = life({.first = call, .error = EINTR});
    std::set<int> errors = {EAGAIN, ENOMEM,
                            kHostErrors[call % std::size(kHostErrors)]};
    if (kinds.insert(kind).second) {
      errors = {std::begin(kHostErrors), std::end(kHostErrors)};
    }
    for (const int error : errors) {
      life({.first = call, .error = error});
      if (!MayLast(error)) continue;
      life({.first = call, .repeatedly = true, .error = error});
    }
  }
  return kinds.size();
}

}  // namespace nacre

#endif  // NACRE_BASE_TESTING_HOST_FAULTS_H_
