#ifndef NACRE_NACRE_CONSOLE_H_
#define NACRE_NACRE_CONSOLE_H_

#include <termios.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "nacre/nonblocking_fd.h"
#include "vmm/event_loop.h"

namespace nacre {

// Connects an input descriptor, standard input for instance, to the guest's
// serial console. A terminal is put into raw mode, so that the guest sees every
// key, and back on destruction; Ctrl-A x then asks to stop, since Ctrl-C goes
// to the guest. All on the loop's thread.
class Console {
 public:
  // Takes bytes for the guest and returns how many it had room for; the rest
  // is lost, as on a serial line without flow control.
  using Sink = std::function<size_t(std::span<const uint8_t>)>;

  // `fd` is borrowed; `loop` outlives the console. Input that is not of the
  // kind that can be watched (a regular file, /dev/null) is no error: the guest
  // gets none. Errors: of the terminal, which is then as it was, and the
  // host's.
  static absl::StatusOr<std::unique_ptr<Console>> Create(int fd,
                                                         vmm::EventLoop& loop,
                                                         Sink sink);
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;
  ~Console();

  // Whether the escape has been typed (see SignalWatch::signalled).
  bool quit() const { return quit_; }

 private:
  Console(int fd, vmm::EventLoop& loop, Sink sink);
  void OnReadable();
  // Handles the escape and forwards the rest.
  void Feed(std::span<const uint8_t> bytes);

  const int fd_;
  // Others may read the same thing, and be first: the loop's thread, which the
  // program's end needs, must not wait for more.
  const NonblockingFd input_;
  vmm::EventLoop& loop_;
  const Sink sink_;
  bool watching_ = false;
  std::optional<termios> saved_;  // Set where fd_ is a terminal.
  bool escaped_ = false;          // The last key was the escape.
  bool quit_ = false;
};

}  // namespace nacre

#endif  // NACRE_NACRE_CONSOLE_H_
