#ifndef NACRE_DEVICES_VIRTIO_GPU_RESPONSE_H_
#define NACRE_DEVICES_VIRTIO_GPU_RESPONSE_H_

#include <array>
#include <cstdint>
#include <span>
#include <type_traits>
#include <variant>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "base/bytes.h"
#include "devices/virtio/virtqueue.h"
#include "devices/virtio_gpu/command.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

struct NoData {};
// The first `count` scanouts are enabled, each with this mode at the origin.
struct DisplayModes {
  uint32_t count;  // At most wire::kMaxScanouts.
  uint32_t width;
  uint32_t height;
};
struct CapsetInfo {
  uint32_t capset_id;
  uint32_t max_version;
  uint32_t max_size;
};
// Borrowed from the context type, which outlives the response.
struct CapsetData {
  std::span<const uint8_t> bytes;
};
struct Edid {
  uint32_t width;  // Of the display it describes: see edid.h.
  uint32_t height;
};
struct ResourceUuid {
  std::array<uint8_t, 16> uuid;
};
struct MapInfo {
  MapCaching caching;
};

// What a command that worked answers with. Small and trivial, unlike some of
// its encodings: one goes through our hands for every command.
using Response = std::variant<NoData, DisplayModes, CapsetInfo, CapsetData,
                              Edid, ResourceUuid, MapInfo>;
static_assert(std::is_trivially_copyable_v<Response> && sizeof(Response) <= 24);

// Write the answer to `request` into its chain: the response type, the fence
// fields as the request had them (virtio 1.3, 5.7.6.7), and what belongs to the
// type, as much of it as the driver left room for. Errors: where guest memory
// refuses, which Virtqueue::Pop has ruled out.
absl::Status WriteResponse(const CommandHeader& request,
                           const Response& response,
                           virtio::DescriptorChain& chain);
absl::Status WriteErrorResponse(const CommandHeader& request, wire::Type error,
                                virtio::DescriptorChain& chain);

// As WriteResponse of NoData. In place for what nearly every command is.
inline absl::Status WriteNoData(const CommandHeader& request,
                                virtio::DescriptorChain& chain) {
  wire::CtrlHeader header = {};
  if (ABSL_PREDICT_TRUE(request.is_plain() &&
                        chain.writable_size() >= sizeof(header))) {
    header.type = static_cast<uint32_t>(wire::Type::kOkNodata);
    header.ctx_id = request.ctx_id();
    return chain.Write(AsBytes(header));
  }
  return WriteResponse(request, NoData(), chain);
}

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_RESPONSE_H_
