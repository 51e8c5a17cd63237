#ifndef NACRE_NACRE_STRESS_PROGRAMS_H_
#define NACRE_NACRE_STRESS_PROGRAMS_H_

#include <cstdint>
#include <random>
#include <span>

#include "base/page_size.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "nacre/stress/shared_driver.h"

namespace nacre {

// A guest's programs, one after the other, each with an msm context and some
// buffers of its own, which it uploads to, maps, touches, submits, waits for,
// shares and lets go of, or not, in any order. What it asks for may have gone
// in a reset meanwhile: any answer will do. For one thread.
class Programs {
 public:
  static constexpr uint32_t kBuffers = 4;  // Of one program.
  // Of the window, for each `number`.
  static constexpr uint64_t kWindowBytes = (1 + kBuffers) * kLargestPageSize;

  // `number` below `count`, each once. `driver` and `window`, of at least
  // `count` times kWindowBytes, outlive this.
  Programs(SharedDriver& driver, std::span<uint8_t> window, uint32_t number,
           uint32_t count);

  void RunOne();

 private:
  uint32_t Below(uint32_t limit) {
    return static_cast<uint32_t>(random_() % limit);
  }
  void Step();
  // GEM_SUBMIT with a buffer, its fence waited for or left to itself.
  void Submit();
  void NewBuffer(uint32_t i);
  void CreateBlob(uint32_t i, uint64_t blob_id);
  virtio_gpu::Request OnResource(virtio_gpu::wire::Type type, uint32_t i);
  virtio_gpu::Request TakeStream();
  void Flush() { Call(TakeStream()); }
  void Call(const virtio_gpu::Request& request);

  SharedDriver& driver_;
  const std::span<uint8_t> window_;
  const uint32_t count_;
  const uint32_t context_;
  const uint32_t first_resource_;
  const uint64_t first_page_;
  std::minstd_rand random_;
  msm::CcmdStream stream_;
  uint32_t fence_ = 0;
};

}  // namespace nacre

#endif  // NACRE_NACRE_STRESS_PROGRAMS_H_
