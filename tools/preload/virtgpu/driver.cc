#include "tools/preload/driver.h"

#include "tools/preload/virtgpu/virtgpu_gpu.h"

namespace nacre::preload {

// A virtio device of the PCI bus, as ours is in a VM.
const Driver& ThisDriver() {
  static const auto* const driver = new Driver{
      .device = {.root = "/sys/devices/pci0000:00/0000:00:03.0",
                 .path = "/sys/devices/pci0000:00/0000:00:03.0/virtio0",
                 .files = {{"uevent",
                            "DRIVER=virtio-pci\n"
                            "PCI_CLASS=38000\n"
                            "PCI_ID=1AF4:1050\n"
                            "PCI_SUBSYS_ID=1AF4:1100\n"
                            "PCI_SLOT_NAME=0000:00:03.0\n"},
                           {"vendor", "0x1af4\n"},
                           {"device", "0x1050\n"},
                           {"subsystem_vendor", "0x1af4\n"},
                           {"subsystem_device", "0x1100\n"},
                           {"revision", "0x01\n"},
                           {"class", "0x038000\n"},
                           {"virtio0/uevent",
                            "DRIVER=virtio_gpu\n"
                            "MODALIAS=virtio:d00000010v00001AF4\n"},
                           {"virtio0/vendor", "0x1af4\n"},
                           {"virtio0/device", "0x0010\n"}},
                 .links = {{"subsystem", "../../../bus/pci"},
                           {"virtio0/subsystem", "../../../../bus/virtio"}}},
      .make_gpu = &VirtgpuGpu::Create};
  return *driver;
}

}  // namespace nacre::preload
