#include "devices/virtio/remote/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

using Clock = std::chrono::steady_clock;

absl::Status PeerIsGone() {
  return absl::UnavailableError("the peer closed its end of the socket");
}

// Until `fd` has one of `events`, or a hang-up.
absl::Status WaitFor(int fd, short events,
                     const std::optional<Clock::time_point>& deadline) {
  for (;;) {
    int milliseconds = -1;
    if (deadline) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
          *deadline - Clock::now());
      milliseconds = static_cast<int>(std::max<int64_t>(left.count(), 0));
    }
    pollfd poll_fd = {fd, events, 0};
    const int ready = poll(&poll_fd, 1, milliseconds);
    if (ready > 0) return absl::OkStatus();
    if (ready == 0) {
      return absl::DeadlineExceededError("the peer let the time limit pass");
    }
    if (errno != EINTR) return ErrnoStatus("poll(socket)");
  }
}

std::optional<Clock::time_point> DeadlineOf(Channel::TimeLimit limit) {
  if (!limit) return std::nullopt;
  return Clock::now() + *limit;
}

// Room for the one control message that carries descriptors.
struct ControlBuffer {
  alignas(cmsghdr)
      std::array<uint8_t, CMSG_SPACE(sizeof(int) * Channel::kMaxFds)> bytes;
};

// Takes them out of a received message, so that none gets lost.
std::vector<SlowFd> TakeFds(msghdr& message) {
  std::vector<SlowFd> fds;
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
      fds.emplace_back(Fd(fd));
    }
  }
  return fds;
}

}  // namespace

absl::StatusOr<std::pair<Channel, Channel>> Channel::CreatePair() {
  std::array<int, 2> sockets;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) !=
      0) {
    return ErrnoStatus("socketpair");
  }
  return std::make_pair(Channel(Fd(sockets[0])), Channel(Fd(sockets[1])));
}

absl::Status Channel::Send(std::span<const uint8_t> head,
                           std::span<const uint8_t> body,
                           std::span<const int> fds, TimeLimit limit) const {
  CHECK_LE(head.size() + body.size(), kMaxPacket);
  CHECK_LE(fds.size(), kMaxFds);
  // sendmsg does not write to what it sends.
  std::array<iovec, 2> parts = {{
      {const_cast<uint8_t*>(head.data()), head.size()},
      {const_cast<uint8_t*>(body.data()), body.size()},
  }};
  msghdr message = {};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  ControlBuffer buffer;
  if (!fds.empty()) {
    message.msg_control = buffer.bytes.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* const control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(control), fds.data(), fds.size_bytes());
  }
  const auto deadline = DeadlineOf(limit);
  while (sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EPIPE || error == ECONNRESET) return PeerIsGone();
    if (error != EAGAIN) return ErrnoStatus(error, "sendmsg");
    if (absl::Status waited = WaitFor(socket_.get(), POLLOUT, deadline);
        !waited.ok()) {
      return waited;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Channel::Packet> Channel::Receive(size_t max_fds,
                                                 TimeLimit limit) {
  CHECK_LE(max_fds, kMaxFds);
  buffer_.resize(kMaxPacket);
  const auto deadline = DeadlineOf(limit);
  for (;;) {
    iovec part = {buffer_.data(), buffer_.size()};
    ControlBuffer buffer;
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = buffer.bytes.data();
    message.msg_controllen = buffer.bytes.size();
    const ssize_t size =
        recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) {
      const int error = errno;
      // Told once, before what the peer sent last, where it has gone without
      // reading all that we sent.
      if (error == EINTR || error == ECONNRESET) continue;
      if (error != EAGAIN) return ErrnoStatus(error, "recvmsg");
      if (absl::Status waited = WaitFor(socket_.get(), POLLIN, deadline);
          !waited.ok()) {
        return waited;
      }
      continue;
    }
    std::vector<SlowFd> fds = TakeFds(message);
    // A packet has a header; an empty one is how the end reads.
    if (size == 0) return PeerIsGone();
    // The buffer has room for all that a packet can have. The process need not.
    const bool lost = (message.msg_flags & MSG_CTRUNC) != 0;
    if ((message.msg_flags & MSG_TRUNC) != 0 || fds.size() > max_fds ||
        (lost && max_fds == 0)) {
      return absl::InvalidArgumentError(absl::StrCat("a packet of more than ",
                                                     kMaxPacket, " bytes or ",
                                                     max_fds, " descriptors"));
    }
    if (lost) fds.clear();
    return Packet{std::span(buffer_).first(static_cast<size_t>(size)),
                  std::move(fds), lost};
  }
}

bool Channel::Readable() const {
  pollfd poll_fd = {socket_.get(), POLLIN, 0};
  return poll(&poll_fd, 1, /*timeout=*/0) > 0;
}

void Channel::Shutdown() const { shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace nacre::virtio
