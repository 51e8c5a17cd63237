#ifndef NACRE_DEVICES_VIRTIO_GPU_EDID_H_
#define NACRE_DEVICES_VIRTIO_GPU_EDID_H_

#include <array>
#include <cstdint>

namespace nacre::virtio_gpu {

inline constexpr uint32_t kMaxEdidPixels = 4095;  // 12 bits per side.

// The base block of an EDID 1.4 (VESA E-EDID A2) for a display named "Nacre"
// whose only detailed timing is width x height pixels at 60 Hz. Sides are 1 to
// kMaxEdidPixels.
std::array<uint8_t, 128> MakeEdid(uint32_t width, uint32_t height);

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_EDID_H_
