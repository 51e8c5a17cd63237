#include "nacre/console.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "base/errno_status.h"

namespace nacre {
namespace {

constexpr uint8_t kEscape = 0x01;  // Ctrl-A, as in QEMU and screen.
constexpr uint8_t kQuit = 'x';

}  // namespace

Console::Console(int fd, vmm::EventLoop& loop, Sink sink)
    : fd_(fd), input_(fd, O_RDONLY), loop_(loop), sink_(std::move(sink)) {}

absl::StatusOr<std::unique_ptr<Console>> Console::Create(int fd,
                                                         vmm::EventLoop& loop,
                                                         Sink sink) {
  std::unique_ptr<Console> console(new Console(fd, loop, std::move(sink)));
  if (termios attributes; tcgetattr(fd, &attributes) == 0) {
    console->saved_ = attributes;
    cfmakeraw(&attributes);
    attributes.c_oflag |= OPOST;  // Our own lines still end in CR LF.
    if (tcsetattr(fd, TCSANOW, &attributes) != 0) {
      return ErrnoStatus("tcsetattr(raw mode)");
    }
  }
  Console* const raw = console.get();
  const absl::Status watched =
      loop.Watch(fd, EPOLLIN, [raw](uint32_t) { raw->OnReadable(); });
  // EPERM: what epoll has no use for. A terminal is never one.
  if (!watched.ok() && StatusErrno(watched) != EPERM) return watched;
  console->watching_ = watched.ok();
  return console;
}

Console::~Console() {
  if (watching_) (void)loop_.Unwatch(fd_);
  if (saved_) tcsetattr(fd_, TCSANOW, &*saved_);
}

void Console::OnReadable() {
  std::array<uint8_t, 256> buffer;
  const ssize_t size = input_.Read(buffer);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (size <= 0) {
    // The end of the input: level-triggered, it would wake us for ever.
    (void)loop_.Unwatch(fd_);
    watching_ = false;
    return;
  }
  Feed(std::span(buffer).first(static_cast<size_t>(size)));
}

void Console::Feed(std::span<const uint8_t> bytes) {
  if (!saved_) {
    sink_(bytes);
    return;
  }
  for (const uint8_t byte : bytes) {
    if (!std::exchange(escaped_, false)) {
      if (byte == kEscape) {
        escaped_ = true;
        continue;
      }
    } else if (byte == kQuit) {
      quit_ = true;
      loop_.Stop();
      return;
    }
    sink_(std::span(&byte, 1));
  }
}

}  // namespace nacre
