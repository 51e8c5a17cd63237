#ifndef NACRE_NACRE_TESTING_GPU_PROGRAM_H_
#define NACRE_NACRE_TESTING_GPU_PROGRAM_H_

#include <cstdint>

#include "devices/virtio/testing/fake_driver.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/testing/requests.h"

namespace nacre {

// What a guest's program has its driver do: a context with its control memory,
// a buffer that is mapped, filled, shared with another context and shown, a
// fenced submission, and all of it taken away again.
class GpuProgram {
 public:
  // `driver` has started its GPU.
  explicit GpuProgram(virtio::FakeDriver& driver) : driver_(driver) {}

  // Makes every command, also where one has failed, but for a device that needs
  // a reset. Whether all succeeded.
  bool Run();

 private:
  bool Call(const virtio_gpu::Request& request);
  bool Submit(uint32_t context, msm::CcmdStream& stream);
  bool OnResource(virtio_gpu::wire::Type type, uint32_t context,
                  uint32_t resource);
  // The buffer in the other context, at an address of that one's.
  bool Share();
  bool Show();

  virtio::FakeDriver& driver_;
};

}  // namespace nacre

#endif  // NACRE_NACRE_TESTING_GPU_PROGRAM_H_
