#ifndef NACRE_NACRE_GPU_BACKEND_H_
#define NACRE_NACRE_GPU_BACKEND_H_

#include "devices/virtio/virtio_device.h"
#include "proto/vm_summary.pb.h"

namespace nacre {

// A machine's virtio-gpu device, in this process (GpuStack) or in another
// (JailedGpu).
class GpuBackend {
 public:
  virtual ~GpuBackend() = default;

  // For the transport.
  virtual virtio::VirtioDevice& device() = 0;
  // While no guest runs.
  virtual GpuSummary Summary() = 0;
  // The resident memory of its process, if that is another one.
  virtual uint64_t MemoryBytes() const { return 0; }
};

}  // namespace nacre

#endif  // NACRE_NACRE_GPU_BACKEND_H_
