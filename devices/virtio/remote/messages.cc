#include "devices/virtio/remote/messages.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/status_macros.h"

namespace nacre::virtio {
namespace {

absl::Status Malformed(MessageType type, size_t bytes, size_t fds) {
  return absl::InvalidArgumentError(
      absl::StrCat("a message of type ", static_cast<uint32_t>(type), " with ",
                   bytes, " bytes and ", fds, " descriptors"));
}

// A body that is one T and nothing else.
template <WireType T>
std::optional<T> Whole(ByteReader reader) {
  if (reader.remaining() != sizeof(T)) return std::nullopt;
  return reader.Read<T>();
}

}  // namespace

absl::StatusOr<ServiceMessage> ParseServiceMessage(Channel::Packet packet) {
  ByteReader reader(packet.bytes);
  const auto header = reader.Read<MessageHeader>();
  if (!header) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a message of ", packet.bytes.size(), " bytes, less than its header"));
  }
  const size_t size = reader.remaining();
  const size_t fds = packet.fds_lost ? 1 : packet.fds.size();
  const auto malformed = [&] { return Malformed(header->type, size, fds); };
  if (fds != (header->type == MessageType::kMapRegion ? 1 : 0)) {
    return malformed();
  }
  switch (header->type) {
    case MessageType::kMapRegion:
      if (const auto body = Whole<MapRegionBody>(reader)) {
        return MapRegion{body->offset, body->size, body->file_offset,
                         packet.fds_lost ? SlowFd() : std::move(packet.fds[0])};
      }
      return malformed();
    case MessageType::kUnmapRegion:
      if (const auto body = Whole<UnmapRegionBody>(reader)) {
        return UnmapRegion{body->offset};
      }
      return malformed();
    case MessageType::kRefusedCall:
      if (const auto body = Whole<RefusedCallBody>(reader)) {
        return RefusedCall{body->number, body->architecture};
      }
      return malformed();
    case MessageType::kCounters: {
      if (size > kMaxCountersBytes) return malformed();
      const std::span<const uint8_t> bytes = *reader.ReadBytes(size);
      return CountersReport{std::string(bytes.begin(), bytes.end())};
    }
    case MessageType::kClearRegion:
      if (size == 0) return ClearRegion{};
      return malformed();
    case MessageType::kOpenNode:
      if (size == 0) return OpenNode{};
      return malformed();
    case MessageType::kConfigChanged:
      if (size == 0) return ConfigChanged{};
      return malformed();
    case MessageType::kNeedsReset:
      if (size == 0) return DeviceNeedsReset{};
      return malformed();
    default:
      return malformed();
  }
}

absl::Status SendMessage(const Channel& channel, MessageType type,
                         std::span<const uint8_t> body,
                         std::span<const int> fds, Channel::TimeLimit limit) {
  const MessageHeader header = {.type = type, .code = 0};
  return channel.Send(AsBytes(header), body, fds, limit);
}

absl::Status SendReply(const Channel& channel, const absl::Status& status,
                       std::span<const uint8_t> body, std::span<const int> fds,
                       Channel::TimeLimit limit) {
  const MessageHeader header = {.type = MessageType::kReply,
                                .code = static_cast<int32_t>(status.code())};
  if (status.ok()) return channel.Send(AsBytes(header), body, fds, limit);
  const absl::string_view text = status.message().substr(0, kMaxReplyText);
  return channel.Send(
      AsBytes(header),
      {reinterpret_cast<const uint8_t*>(text.data()), text.size()}, {}, limit);
}

absl::StatusOr<Reply> ParseReply(Channel::Packet packet) {
  ByteReader reader(packet.bytes);
  const auto header = reader.Read<MessageHeader>();
  constexpr auto kLastCode =
      static_cast<int32_t>(absl::StatusCode::kUnauthenticated);
  if (!header || header->type != MessageType::kReply || header->code < 0 ||
      header->code > kLastCode) {
    return absl::InvalidArgumentError(
        absl::StrCat("an answer of ", packet.bytes.size(), " bytes is none"));
  }
  const std::span<const uint8_t> body = *reader.ReadBytes(reader.remaining());
  if (header->code == 0) {
    return Reply{absl::OkStatus(), body, std::move(packet.fds)};
  }
  // For logs: printable whoever sent it.
  std::string text(body.begin(),
                   body.begin() + std::min(body.size(), kMaxReplyText));
  std::ranges::replace_if(
      text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return Reply{
      absl::Status(static_cast<absl::StatusCode>(header->code), text), {}, {}};
}

absl::StatusOr<Reply> Ask(Channel& channel, MessageType type,
                          std::span<const uint8_t> body,
                          std::span<const int> fds, size_t max_fds,
                          Channel::TimeLimit limit) {
  const auto start = std::chrono::steady_clock::now();
  RETURN_IF_ERROR(SendMessage(channel, type, body, fds, limit));
  if (limit) {
    const auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - start);
    limit = std::max(*limit - taken, std::chrono::milliseconds::zero());
  }
  return ReceiveReply(channel, max_fds, limit);
}

absl::StatusOr<Reply> ReceiveReply(Channel& channel, size_t max_fds,
                                   Channel::TimeLimit limit) {
  ASSIGN_OR_RETURN(Channel::Packet packet, channel.Receive(max_fds, limit));
  return ParseReply(std::move(packet));
}

}  // namespace nacre::virtio
