#include "devices/virtio/remote/service_client.h"

#include <utility>

#include "base/bytes.h"
#include "base/status_macros.h"

namespace nacre::virtio {

absl::Status ServiceClient::MapRegion(uint64_t offset, uint64_t size,
                                      uint64_t file_offset, int file) {
  const MapRegionBody body = {
      .offset = offset, .size = size, .file_offset = file_offset};
  return Ask(MessageType::kMapRegion, AsBytes(body), std::span(&file, 1), 0)
      .status();
}

absl::Status ServiceClient::UnmapRegion(uint64_t offset) {
  const UnmapRegionBody body = {.offset = offset};
  return Ask(MessageType::kUnmapRegion, AsBytes(body), {}, 0).status();
}

absl::Status ServiceClient::ClearRegion() {
  return Ask(MessageType::kClearRegion, {}, {}, 0).status();
}

absl::StatusOr<Fd> ServiceClient::OpenNode() {
  ASSIGN_OR_RETURN(Fd fd, Ask(MessageType::kOpenNode, {}, {}, 1));
  if (!fd.valid()) return absl::InternalError("OpenNode: an answer without it");
  return fd;
}

void ServiceClient::ReportConfigChange() {
  Report(MessageType::kConfigChanged, {});
}

void ServiceClient::ReportNeedsReset() { Report(MessageType::kNeedsReset, {}); }

void ServiceClient::ReportCounters(absl::string_view counters) {
  Report(MessageType::kCounters,
         {reinterpret_cast<const uint8_t*>(counters.data()), counters.size()});
}

absl::StatusOr<Fd> ServiceClient::Ask(MessageType type,
                                      std::span<const uint8_t> body,
                                      std::span<const int> fds,
                                      size_t max_fds) {
  MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(Reply reply, virtio::Ask(channel_, type, body, fds, max_fds,
                                            /*limit=*/std::nullopt));
  RETURN_IF_ERROR(reply.status);
  return reply.fds.empty() ? Fd() : reply.fds[0].Take();
}

void ServiceClient::Report(MessageType type, std::span<const uint8_t> body) {
  MutexLock lock(mutex_);
  SendMessage(channel_, type, body, {}, /*limit=*/std::nullopt).IgnoreError();
}

}  // namespace nacre::virtio
