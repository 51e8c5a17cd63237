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

// A guest's programs, one after the other, each with an msm context, queues of
// three priorities and some buffers of its own, which it uploads to, maps,
// touches, submits, waits for, shares and lets go of, or not, in any order.
// What it asks for may have gone in a reset meanwhile: any answer will do. For
// one thread, which may have several of these take turns.
class Programs {
 public:
  static constexpr uint32_t kBuffers = 4;  // Of one program.
  // Of the window, for each `number`.
  static constexpr uint64_t kWindowBytes = (1 + kBuffers) * kLargestPageSize;

  struct Options {
    uint32_t number = 0;  // Below `count`, each once.
    uint32_t count = 1;
    bool hang = false;  // Now and then one's commands are none.
  };
  // `driver` and `window`, of at least `count` times kWindowBytes, outlive
  // this.
  Programs(SharedDriver& driver, std::span<uint8_t> window,
           const Options& options);

  // Has a program begin, take a step or end.
  void Advance();
  // From the one's beginning to its end.
  void RunOne();

  // A resource that may be there, one of any program's.
  static uint32_t Resource(uint32_t number, uint32_t buffer) {
    return 1 + 100 * number + buffer;
  }

 private:
  static constexpr uint32_t kSteps = 20;

  uint32_t Below(uint32_t limit) {
    return static_cast<uint32_t>(random_() % limit);
  }
  void Begin();
  void Step();
  void End();
  // GEM_SUBMIT to a queue with a buffer, its fence waited for or left to
  // itself; with `commands`, those that the buffer begins with.
  void Submit(bool commands = false);
  void NewBuffer(uint32_t i);
  void NewQueue(uint32_t priority);
  void CreateBlob(uint32_t i, uint64_t blob_id);
  virtio_gpu::Request OnResource(virtio_gpu::wire::Type type, uint32_t i);
  virtio_gpu::Request TakeStream();
  void Flush() { Call(TakeStream()); }
  void Call(const virtio_gpu::Request& request);

  SharedDriver& driver_;
  const std::span<uint8_t> window_;
  const Options options_;
  const uint32_t context_;
  const uint64_t first_page_;
  std::minstd_rand random_;
  msm::CcmdStream stream_;
  uint32_t fence_ = 0;
  uint32_t left_ = 0;  // Of the program there is: its steps, and its end.
};

}  // namespace nacre

#endif  // NACRE_NACRE_STRESS_PROGRAMS_H_
