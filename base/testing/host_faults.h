#ifndef NACRE_BASE_TESTING_HOST_FAULTS_H_
#define NACRE_BASE_TESTING_HOST_FAULTS_H_

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>

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

}  // namespace nacre

#endif  // NACRE_BASE_TESTING_HOST_FAULTS_H_
