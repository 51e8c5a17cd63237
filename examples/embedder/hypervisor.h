#ifndef EMBEDDER_HYPERVISOR_H_
#define EMBEDDER_HYPERVISOR_H_

#include "absl/status/status.h"
#include "devices/virtio/virtio_device.h"

namespace embedder {

// Makes guest memory and a PCI bus with `device` on it, and does there what a
// guest's kernel does first. An error says what it did not find.
absl::Status RunGuest(nacre::virtio::VirtioDevice& device);

}  // namespace embedder

#endif  // EMBEDDER_HYPERVISOR_H_
