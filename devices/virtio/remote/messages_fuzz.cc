// What the VMM's process decodes of a device's: any packet is a message that
// keeps its promises, or an error. Input byte 0 is the number of descriptors
// that came with it, the rest the packet.

#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "base/bytes.h"
#include "base/fd.h"
#include "devices/virtio/remote/channel.h"
#include "devices/virtio/remote/messages.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

Channel::Packet PacketOf(std::span<const uint8_t> bytes, size_t fds,
                         bool fds_lost = false) {
  Channel::Packet packet{bytes, {}, fds_lost};
  for (size_t i = 0; i < fds; ++i) {
    packet.fds.emplace_back(Fd(open("/dev/null", O_RDWR | O_CLOEXEC)));
  }
  return packet;
}

void CheckService(std::span<const uint8_t> bytes, size_t fds) {
  const auto message = ParseServiceMessage(PacketOf(bytes, fds));
  if (!message.ok()) return;
  const bool maps = std::holds_alternative<MapRegion>(*message);
  CHECK_EQ(fds, maps ? 1u : 0u);
  if (maps) CHECK(std::get<MapRegion>(*message).file.valid());
  // Without its descriptor on the way, the same but for that.
  const auto lost = ParseServiceMessage(PacketOf(bytes, 0, true));
  CHECK_EQ(lost.ok(), maps);
  if (maps) CHECK(!std::get<MapRegion>(*lost).file.valid());
  if (const auto* report = std::get_if<CountersReport>(&*message)) {
    CHECK_LE(report->counters.size(), kMaxCountersBytes);
  }
}

void CheckReply(std::span<const uint8_t> bytes, size_t fds) {
  const auto reply = ParseReply(PacketOf(bytes, fds));
  if (!reply.ok()) return;
  if (reply->status.ok()) {
    CHECK_LE(reply->body.size(), bytes.size());
    return;
  }
  CHECK(reply->fds.empty());
  for (const char c : reply->status.message()) CHECK(c >= ' ' && c <= '~');
}

}  // namespace
}  // namespace nacre::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> packet(data + 1, size - 1);
  nacre::virtio::CheckService(packet, data[0] % 3);
  nacre::virtio::CheckReply(packet, data[0] % 3);
  return 0;
}
