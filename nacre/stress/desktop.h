#ifndef NACRE_NACRE_STRESS_DESKTOP_H_
#define NACRE_NACRE_STRESS_DESKTOP_H_

#include <cstdint>
#include <random>

#include "devices/virtio_gpu/testing/requests.h"
#include "nacre/stress/shared_driver.h"

namespace nacre {

// A guest's desktop: pictures of its own and programs' buffers on the scanouts,
// flushed, moved, taken away again in any order, a cursor by the other queue,
// and questions about displays. For one thread.
class Desktop {
 public:
  static constexpr uint32_t kScanouts = 2;  // Of the device.

  // Shows buffers of `programs` Programs. `driver` outlives this.
  Desktop(SharedDriver& driver, uint32_t programs)
      : driver_(driver), programs_(programs) {}

  void Step();

 private:
  uint32_t Below(uint32_t limit) {
    return static_cast<uint32_t>(random_() % limit);
  }
  // One of its pictures, which may be gone.
  uint32_t AnyPicture();
  void CreatePicture(uint32_t picture);
  void ShowBuffer();
  void Cursor(virtio_gpu::wire::Type type);
  void Ask();
  void Call(const virtio_gpu::Request& request,
            SharedDriver::Queue queue = SharedDriver::kControl);

  SharedDriver& driver_;
  const uint32_t programs_;
  std::minstd_rand random_;
};

}  // namespace nacre

#endif  // NACRE_NACRE_STRESS_DESKTOP_H_
