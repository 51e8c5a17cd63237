#ifndef NACRE_SIMULATOR_COMMAND_PROCESSOR_H_
#define NACRE_SIMULATOR_COMMAND_PROCESSOR_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/mapping.h"
#include "simulator/address_space.h"
#include "simulator/chips.h"
#include "simulator/condition_packets.h"
#include "simulator/cp_state.h"
#include "simulator/draw_state.h"
#include "simulator/gpu_clock.h"
#include "simulator/stats.h"

namespace nacre::simulator {

// An Adreno command processor (Mesa's names: SQE, ME, PFP) as one sequential
// machine: each packet is complete before the next starts, so waits for idle,
// cache operations and the pipeline's own synchronisation have nothing to do.
//
// Follows indirect buffers (nested, chained) and draw-state groups, performs
// conditions, register and memory moves, waits, events and their writes, and
// the 2D engine's blits. Draws and dispatches are counted; packets that are not
// executed although they would mean something are counted by name.
//
// The stream is the guest's and changes while it is read. Every packet is
// copied before it is looked at; nothing in a stream makes this crash, hang, or
// reach memory outside the address space. For the GPU thread alone.
class CommandProcessor {
 public:
  struct Options {
    Generation generation = Generation::kA6xx;
    uint64_t gmem_base = 0;
    uint64_t gmem_size = 0;  // 0: none.
    // The longest wait, and the longest submission in modelled time.
    std::chrono::milliseconds hang_timeout{500};
    std::chrono::milliseconds reset_time{0};  // What a hang takes beyond.
    TimeModel time_model = {};
    uint64_t work_limit = uint64_t{1} << 27;  // See SimulatorConfig.
    // Ends the running submission once true; outlives this, may be null.
    const std::atomic<bool>* stop = nullptr;
  };

  // Buffers within buffers, draw-state groups included. Mesa needs three.
  static constexpr size_t kMaxNesting = 8;

  // Errors: of mmap, for the registers and GMEM.
  static absl::StatusOr<std::unique_ptr<CommandProcessor>> Create(
      const Options& options);

  // Runs a submission's command buffers in order and returns when its modelled
  // time is over; it began at `ready` or when the one before was over, if that
  // is later. On a hang the rest is not run and the GPU is reset: registers and
  // GMEM are 0 again, memory stays.
  Hang Run(std::shared_ptr<const AddressSpace> space,
           std::span<const IndirectBuffer> buffers,
           GpuClock::Clock::time_point ready = {});

  // What happened since the last call.
  CommandProcessorStats TakeStats();

 private:
  CommandProcessor(const Options& options, Mapping register_memory);

  // A buffer being executed; what is left of it.
  struct Frame {
    uint64_t iova = 0;
    uint32_t dwords = 0;
    bool is_draw_state = false;
  };

  void Reset();
  std::optional<IndirectBuffer> NextImmediateGroup();
  Hang RunBuffer(const IndirectBuffer& buffer);
  Hang Enter(const IndirectBuffer& buffer, bool is_draw_state = false);
  Hang Step();
  // Charges the clock for what was moved and written since then.
  Hang Charge(uint64_t traffic, uint64_t pixels);
  Hang Execute(Opcode opcode, Payload payload);
  // What only this generation has.
  Hang ExecuteA7xx(Opcode opcode, Payload payload);
  // Draws and dispatches: first the draw-state groups that are due; the packet
  // itself runs again after each of them.
  Hang Draw(uint64_t& counter);
  Hang EnterIndirectBuffer(Payload payload);
  Hang Chain(Payload payload);
  Hang Apply(const Condition& condition);

  const Options options_;
  CpState state_;
  DrawState draw_state_;
  std::vector<Frame> frames_;
  Frame packet_start_;  // Where the packet that runs begins.
  std::vector<uint32_t> payload_;
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_COMMAND_PROCESSOR_H_
