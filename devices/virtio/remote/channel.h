#ifndef NACRE_DEVICES_VIRTIO_REMOTE_CHANNEL_H_
#define NACRE_DEVICES_VIRTIO_REMOTE_CHANNEL_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/slow_fd.h"

namespace nacre::virtio {

// One end of a SOCK_SEQPACKET socket between two processes: packets of bytes
// and descriptors, each whole or not at all. What a packet means is messages.h.
//
// The peer is not trusted: whatever it sends is a packet or an error, it cannot
// make this end allocate more than kMaxPacket or hold more descriptors than
// asked for, and with a time limit it cannot make it wait.
//
// One thread at a time sends, one receives.
class Channel {
 public:
  // In bytes. The largest that we send is a counters report.
  static constexpr size_t kMaxPacket = 64 << 10;
  // The kernel's SCM_MAX_FD.
  static constexpr size_t kMaxFds = 253;

  using TimeLimit =
      std::optional<std::chrono::milliseconds>;  // None: for ever.

  struct Packet {
    std::span<const uint8_t> bytes;  // Until the next Receive.
    std::vector<SlowFd> fds;
    // There were some, for which this process has no room: `fds` is empty.
    bool fds_lost = false;
  };

  static absl::StatusOr<std::pair<Channel, Channel>> CreatePair();
  explicit Channel(Fd socket) : socket_(std::move(socket)) {}

  // Sends `head` and `body` as one packet. `fds` are borrowed. Errors:
  // Unavailable where the peer is gone, DeadlineExceeded where it takes
  // nothing; the errno.
  absl::Status Send(std::span<const uint8_t> head,
                    std::span<const uint8_t> body, std::span<const int> fds,
                    TimeLimit limit) const;
  // Of an error of Send; otherwise nothing was sent for want of something here.
  static bool PeerFailed(const absl::Status& sent) {
    return absl::IsUnavailable(sent) || absl::IsDeadlineExceeded(sent);
  }

  // Errors: Unavailable where the peer is gone, DeadlineExceeded,
  // InvalidArgument for a packet of more than kMaxPacket bytes or more than
  // `max_fds` descriptors, which is gone with them; the errno. Where `max_fds`
  // is not 0, a packet may arrive without its descriptors: see fds_lost.
  absl::StatusOr<Packet> Receive(size_t max_fds, TimeLimit limit);

  // Whether Receive would not wait: for a packet, or for the end.
  bool Readable() const;

  // To wait on with others, and for a process to inherit.
  int fd() const { return socket_.get(); }
  // Closes this copy of it, before anything was received by it.
  void Close() { socket_.Take(); }
  // Ends both directions: whoever waits at either end wakes up.
  void Shutdown() const;

 private:
  SlowFd socket_;  // Files may be under way in it.
  std::vector<uint8_t> buffer_;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_REMOTE_CHANNEL_H_
