#ifndef NACRE_DEVICES_VIRTIO_REMOTE_MESSAGES_H_
#define NACRE_DEVICES_VIRTIO_REMOTE_MESSAGES_H_

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"
#include "devices/virtio/remote/channel.h"

namespace nacre::virtio {

// What the VMM's process and a device's process say to each other, on two
// channels, so that neither's answer is in the way of the other's question:
//
//   control    questions of the VMM (RemoteDevice), answers of the device
//   services   questions and reports of the device, answers of the VMM
//
// A question is answered before the next one of its channel is asked; a report
// is not answered. Both are of one build: there are no versions.
enum class MessageType : uint32_t {
  kReply = 1,

  // Control. kConfigure, opaque here, comes first, kDescribe next; the others
  // are VirtioDevice's methods.
  kConfigure,
  kDescribe,
  kAcceptsFeatures,
  kReadConfig,
  kWriteConfig,
  kShareMemory,
  kActivate,
  kReset,
  kReadCounters,

  // Services: questions.
  kMapRegion,
  kUnmapRegion,
  kClearRegion,
  kOpenNode,
  // Services: reports.
  kConfigChanged,
  kNeedsReset,
  kCounters,
  kRefusedCall,
};

// Every packet begins with one.
struct MessageHeader {
  MessageType type;
  int32_t code;  // Of a reply: an absl::StatusCode.
};

// Bodies. All numbers are the sender's, to be judged by the receiver.

// kDescribe's reply: the device's constants, followed by a uint16_t for each
// queue.
struct Description {
  uint64_t device_features;
  uint16_t device_id;
  uint16_t num_queues;
  uint32_t padding;
};
inline constexpr uint16_t kMaxRemoteQueues = 64;

struct FeaturesQuestion {  // The reply's body is a uint8_t: 0 or 1.
  uint64_t driver_features;
};

// kReadConfig; the reply's body is `size` bytes. kWriteConfig has the bytes
// behind it.
struct ConfigAccess {
  uint64_t offset;
  uint64_t size;
};
// A guest's access is eight bytes at most.
inline constexpr uint64_t kMaxConfigAccess = 64;

// kShareMemory: one per region, with its memfd.
struct SharedMemoryEntry {
  uint64_t guest_address;
  uint64_t size;
};

// kActivate: one header, one entry per queue, and for each queue its kick and
// its interrupt eventfd.
struct ActivateHeader {
  uint64_t driver_features;
};
struct ActivateQueue {
  uint64_t descriptor_table;
  uint64_t available_ring;
  uint64_t used_ring;
  uint16_t index;
  uint16_t size;
  uint8_t event_index;
  uint8_t indirect;
  uint16_t padding;
};

// kMapRegion, with the file.
struct MapRegionBody {
  uint64_t offset;
  uint64_t size;
  uint64_t file_offset;
};
struct UnmapRegionBody {
  uint64_t offset;
};
struct RefusedCallBody {
  int32_t number;
  uint32_t architecture;  // AUDIT_ARCH_*.
};

// A packet of the services channel, as the VMM takes it from a device that it
// does not trust: of a known type, of exactly that type's size and number of
// descriptors, or without the one that was lost on the way (fds_lost). Where
// the numbers point is for who serves it.
struct MapRegion {
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t file_offset = 0;
  SlowFd file;  // Invalid where it was lost.
};
struct UnmapRegion {
  uint64_t offset = 0;
};
struct ClearRegion {};
struct OpenNode {};
struct ConfigChanged {};
struct DeviceNeedsReset {};
// Opaque to this package.
struct CountersReport {
  std::string counters;
};
// The device's system call filter refused a call; it ends itself now.
struct RefusedCall {
  int32_t number = 0;
  uint32_t architecture = 0;
};
using ServiceMessage =
    std::variant<MapRegion, UnmapRegion, ClearRegion, OpenNode, ConfigChanged,
                 DeviceNeedsReset, CountersReport, RefusedCall>;

// At most as many bytes as a CountersReport has.
inline constexpr size_t kMaxCountersBytes = 32 << 10;

// Errors: InvalidArgument, which says what is wrong with it.
absl::StatusOr<ServiceMessage> ParseServiceMessage(Channel::Packet packet);

// An answer: `status` and, where that is OK, a body.
struct Reply {
  absl::Status status;
  std::span<const uint8_t> body;  // Until the channel's next Receive.
  std::vector<SlowFd> fds;
};

absl::Status SendMessage(const Channel& channel, MessageType type,
                         std::span<const uint8_t> body,
                         std::span<const int> fds, Channel::TimeLimit limit);
// The message of an error is cut at kMaxReplyText.
absl::Status SendReply(const Channel& channel, const absl::Status& status,
                       std::span<const uint8_t> body, std::span<const int> fds,
                       Channel::TimeLimit limit);
inline constexpr size_t kMaxReplyText = 512;

// Asks, and waits for the answer, which has at most `max_fds` descriptors, for
// `limit` in all.
// Errors are the channel's, or InvalidArgument for what is no answer: the peer
// is of no more use.
absl::StatusOr<Reply> Ask(Channel& channel, MessageType type,
                          std::span<const uint8_t> body,
                          std::span<const int> fds, size_t max_fds,
                          Channel::TimeLimit limit);

// Its second half, after SendMessage.
absl::StatusOr<Reply> ReceiveReply(Channel& channel, size_t max_fds,
                                   Channel::TimeLimit limit);

// InvalidArgument where it is none. For Ask, and its fuzzer.
absl::StatusOr<Reply> ParseReply(Channel::Packet packet);

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_REMOTE_MESSAGES_H_
