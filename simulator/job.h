#ifndef NACRE_SIMULATOR_JOB_H_
#define NACRE_SIMULATOR_JOB_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "simulator/address_space.h"
#include "simulator/buffer.h"
#include "simulator/draw_state.h"
#include "simulator/fence.h"
#include "simulator/reservation.h"
#include "simulator/submit_queue.h"

namespace nacre::simulator {

// The part of an open file that its submissions share, and that outlives it
// while they are in flight.
struct FileState {
  FileState(uint64_t file_id, uint64_t va_start, uint64_t va_size,
            uint64_t page_size)
      : id(file_id),
        space(std::make_shared<AddressSpace>(va_start, va_size, page_size)) {}

  const uint64_t id;
  const std::shared_ptr<AddressSpace> space;
  std::atomic<bool> closed{false};
  std::atomic<uint64_t> faults{0};
};

// A submission on its way to the GPU. Keeps what it uses alive.
struct Job {
  struct Command {
    IndirectBuffer buffer;
    // MSM_SUBMIT_CMD_CTX_RESTORE_BUF: only after another file's submission.
    bool only_after_switch = false;
  };

  std::shared_ptr<FileState> file;
  std::shared_ptr<SubmitQueue> queue;
  uint32_t fence_number = 0;
  std::vector<std::shared_ptr<Buffer>> buffers;
  std::vector<Command> commands;
  // When it was given to the scheduler; only with a TimeModel.
  std::chrono::steady_clock::time_point submitted;
  // Of other contexts; to be signalled before this one may run.
  FenceSet dependencies;
  std::shared_ptr<Fence> fence;  // Its context is the FIFO this goes through.

  // What it takes of the host's memory while it waits, in bytes, roughly: with
  // its fence, and what refers to that.
  uint64_t bytes() const {
    return 512 + 32 * (buffers.size() + commands.size() + dependencies.size());
  }
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_JOB_H_
