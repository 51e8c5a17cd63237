#ifndef NACRE_DEVICES_VIRTIO_GPU_RESPONSE_H_
#define NACRE_DEVICES_VIRTIO_GPU_RESPONSE_H_

#include <cstdint>
#include <span>
#include <variant>

#include "absl/status/status.h"
#include "devices/virtio/virtqueue.h"
#include "devices/virtio_gpu/command.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

struct NoData {};
// Borrowed from the context type, which outlives the response.
struct CapsetData {
  std::span<const uint8_t> bytes;
};

// What a command that worked answers with, behind the header.
using Response =
    std::variant<NoData, wire::DisplayInfo, wire::CapsetInfo, CapsetData,
                 wire::Edid, wire::ResourceUuid, wire::MapInfo>;

// Write the answer to `request` into its chain: the response type, the fence
// fields as the request had them (virtio 1.3, 5.7.6.7), and what belongs to the
// type, as much of it as the driver left room for. Errors: where guest memory
// refuses, which Virtqueue::Pop has ruled out.
absl::Status WriteResponse(const CommandHeader& request,
                           const Response& response,
                           virtio::DescriptorChain& chain);
absl::Status WriteErrorResponse(const CommandHeader& request, wire::Type error,
                                virtio::DescriptorChain& chain);

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_RESPONSE_H_
