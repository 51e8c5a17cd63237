#include "simulator/command_processor.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "base/status_macros.h"
#include "simulator/blit_2d.h"
#include "simulator/event_packets.h"
#include "simulator/memory_packets.h"
#include "simulator/wait_packets.h"

namespace nacre::simulator {
namespace {

constexpr uint32_t kMaxPayload = (1u << 14) - 1;

Hang HangFor(HeaderError error) {
  switch (error) {
    case HeaderError::kWrongType:
      return Hang::kPacketType;
    case HeaderError::kWrongParity:
      return Hang::kParity;
    case HeaderError::kReservedBits:
      return Hang::kReservedBits;
  }
  return Hang::kPacketType;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CommandProcessor>> CommandProcessor::Create(
    const Options& options) {
  ASSIGN_OR_RETURN(Mapping register_memory, RegisterFile::Memory());
  auto processor = absl::WrapUnique(
      new CommandProcessor(options, std::move(register_memory)));
  if (options.gmem_size > 0) {
    RETURN_IF_ERROR(
        processor->state_.memory.AddGmem(options.gmem_base, options.gmem_size));
  }
  return processor;
}

CommandProcessor::CommandProcessor(const Options& options,
                                   Mapping register_memory)
    : options_(options),
      state_(std::move(register_memory)),
      payload_(kMaxPayload) {
  state_.generation = options.generation;
  state_.hang_timeout = options.hang_timeout;
  state_.clock = GpuClock({.model = options.time_model,
                           .limit = options.hang_timeout,
                           .stop = options.stop});
  state_.stop = options.stop;
  frames_.reserve(kMaxNesting);
}

Hang CommandProcessor::Run(std::shared_ptr<const AddressSpace> space,
                           std::span<const IndirectBuffer> buffers,
                           GpuClock::Clock::time_point ready) {
  state_.memory.Attach(std::move(space));
  state_.clock.StartSubmission(ready);
  state_.work_left = options_.work_limit;
  // Another submission's groups are addresses in another space.
  draw_state_.Clear();
  state_.mode = RenderMode::kSysmem;
  state_.threads = 3;
  state_.draw_predicate = {};
  Hang hang = Hang::kNone;
  for (const IndirectBuffer& buffer : buffers) {
    hang = RunBuffer(buffer);
    if (hang != Hang::kNone) break;
  }
  state_.memory.Detach();
  state_.clock.CatchUp();
  if (hang != Hang::kNone) {
    ++state_.stats.hangs[std::string(HangName(hang))];
    Reset();
  }
  return hang;
}

void CommandProcessor::Reset() {
  SleepUntil(GpuClock::Clock::now() + options_.reset_time, options_.stop);
  state_.clock.Resume();
  frames_.clear();
  state_.registers.Reset();
  state_.memory.ClearGmem();
  state_.scratch.fill(0);
  state_.scratch_memory.fill(0);
  state_.predicates = 0;
}

CommandProcessorStats CommandProcessor::TakeStats() {
  CommandProcessorStats stats = std::exchange(state_.stats, {});
  const GpuMemory::Counters memory = state_.memory.TakeCounters();
  stats.unmapped_reads = memory.unmapped_loads;
  stats.unmapped_writes = memory.unmapped_stores;
  stats.memory_writes = memory.stores;
  return stats;
}

Hang CommandProcessor::RunBuffer(const IndirectBuffer& buffer) {
  if (const Hang hang = Enter(buffer); hang != Hang::kNone) return hang;
  while (!frames_.empty()) {
    if (frames_.back().dwords == 0) {
      frames_.pop_back();
      continue;
    }
    if (state_.Stopped()) return Hang::kDeviceGone;
    const uint64_t traffic = state_.memory.traffic();
    const uint64_t pixels = state_.stats.pixels();
    Hang hang = Hang::kNone;
    if (const auto group = NextImmediateGroup()) {
      hang = Enter(*group, /*is_draw_state=*/true);
    } else {
      hang = Step();
    }
    if (hang == Hang::kNone) hang = Charge(traffic, pixels);
    if (hang != Hang::kNone) return hang;
  }
  return Hang::kNone;
}

Hang CommandProcessor::Charge(uint64_t traffic, uint64_t pixels) {
  if (!state_.clock.enabled()) return Hang::kNone;
  return state_.clock.Spend(state_.memory.traffic() - traffic,
                            state_.stats.pixels() - pixels)
             ? Hang::kNone
             : Hang::kTime;
}

std::optional<IndirectBuffer> CommandProcessor::NextImmediateGroup() {
  // One after the other, not one within the other.
  if (frames_.back().is_draw_state) return std::nullopt;
  return draw_state_.NextImmediate(state_.mode);
}

Hang CommandProcessor::Enter(const IndirectBuffer& buffer, bool is_draw_state) {
  if (frames_.size() >= kMaxNesting) return Hang::kNesting;
  ++state_.stats.indirect_buffers;
  // Empty ones cost something too: a stream may consist of them.
  if (!state_.Spend(1)) return Hang::kWorkLimit;
  frames_.push_back({buffer.iova, buffer.dwords, is_draw_state});
  return Hang::kNone;
}

Hang CommandProcessor::Step() {
  Frame& frame = frames_.back();
  packet_start_ = frame;
  const Header header = ParseHeader(state_.memory.Load32(frame.iova));
  ++state_.stats.packets;
  frame.iova += 4;
  --frame.dwords;

  if (const auto* error = std::get_if<HeaderError>(&header)) {
    return HangFor(*error);
  }
  const auto* write = std::get_if<RegisterWriteHeader>(&header);
  const auto* command = std::get_if<CommandHeader>(&header);
  const uint32_t count = write != nullptr ? write->count : command->count;
  if (count > frame.dwords) return Hang::kPacketBeyondBuffer;
  if (!state_.Spend(1 + count)) return Hang::kWorkLimit;
  const uint64_t iova = frame.iova;
  frame.iova += 4 * uint64_t{count};
  frame.dwords -= count;

  const bool ignored = command != nullptr && command->opcode == Opcode::kNop;
  if (ignored) return Hang::kNone;
  const std::span<uint32_t> payload = std::span(payload_).first(count);
  state_.memory.Load(iova, payload);
  if (write != nullptr) {
    for (uint32_t i = 0; i < count; ++i) {
      state_.registers.Write(write->first_register + i, payload[i]);
    }
    return Hang::kNone;
  }
  return Execute(command->opcode, payload);
}

Hang CommandProcessor::Execute(Opcode opcode, Payload payload) {
  switch (opcode) {
    // Streams.
    case Opcode::kIndirectBuffer:
    case Opcode::kIndirectBufferPfd:
      return EnterIndirectBuffer(payload);
    case Opcode::kIndirectBufferChain:
      return Chain(payload);
    case Opcode::kSetDrawState:
      return draw_state_.Set(payload);
    case Opcode::kCondExec:
      return Apply(CondExec(state_, payload));
    case Opcode::kCondRegExec:
      return Apply(CondRegExec(state_, payload));
    case Opcode::kRegTest:
      return RegTest(state_, payload);
    case Opcode::kSetMarker:
      return SetMarker(state_, payload);
    case Opcode::kDrawPredEnableGlobal:
      return DrawPredEnableGlobal(state_, payload);
    case Opcode::kDrawPredEnableLocal:
      return DrawPredEnableLocal(state_, payload);
    case Opcode::kDrawPredSet:
      return DrawPredSet(state_, payload);

    // Moves.
    case Opcode::kMemWrite:
      return MemWrite(state_, payload);
    case Opcode::kRegToMem:
      return RegToMem(state_, payload);
    case Opcode::kRegToMemOffsetReg:
      return RegToMemOffsetReg(state_, payload);
    case Opcode::kRegToMemOffsetMem:
      return RegToMemOffsetMem(state_, payload);
    case Opcode::kMemToReg:
      return MemToReg(state_, payload);
    case Opcode::kMemToMem:
      return MemToMem(state_, payload);
    case Opcode::kMemcpy:
      return Memcpy(state_, payload);
    case Opcode::kRegRmw:
      return RegRmw(state_, payload);
    case Opcode::kRegWrite:
      return RegWrite(state_, payload);
    case Opcode::kRegToScratch:
      return RegToScratch(state_, payload);
    case Opcode::kScratchToReg:
      return ScratchToReg(state_, payload);
    case Opcode::kScratchWrite:
      return ScratchWrite(state_, payload);
    case Opcode::kContextRegBunch:
    case Opcode::kContextRegBunch2:
    case Opcode::kRegWrNoCtxt:
      return RegBunch(state_, payload);

    // Comparisons, events.
    case Opcode::kWaitRegMem:
      return WaitRegMem(state_, payload);
    case Opcode::kWaitMemGte:
      return state_.generation == Generation::kA7xx
                 ? WaitTimestamp(state_, payload)
                 : WaitMemGte(state_, payload);
    case Opcode::kWaitTwoRegs:
      return WaitTwoRegs(state_, payload);
    case Opcode::kCondWrite5:
      return CondWrite5(state_, payload);
    case Opcode::kEventWrite:
      return EventWrite(state_, payload);

    // The engines.
    case Opcode::kDrawIndx:
    case Opcode::kDrawAuto:
    case Opcode::kDrawIndirect:
    case Opcode::kDrawIndxIndirect:
    case Opcode::kDrawIndirectMulti:
    case Opcode::kDrawIndxIndirectImplicit:
    case Opcode::kDrawIndxOffset:
      return Draw(state_.stats.draws_not_executed);
    case Opcode::kExecCs:
    case Opcode::kExecCsIndirect:
    case Opcode::kRunOpencl:
      return Draw(state_.stats.dispatches_not_executed);
    case Opcode::kBlit:
      return Blit(state_, payload);

    // Order of a pipeline (a7xx: of two) that is always idle, state that only
    // the engines read, hints about preemption and power, and visibility
    // streams, which never let anything be skipped here.
    case Opcode::kNop:
    case Opcode::kWaitMemWrites:
    case Opcode::kWaitForMe:
    case Opcode::kWaitForIdle:
    case Opcode::kCcheInvalidate:
    case Opcode::kResetContextState:
    case Opcode::kSkipIb2EnableGlobal:
    case Opcode::kSkipIb2EnableLocal:
    case Opcode::kSetVisibilityOverride:
    case Opcode::kSetBinData5:
    case Opcode::kSetBinData5Offset:
    case Opcode::kLoadState6:
    case Opcode::kLoadState6Geom:
    case Opcode::kLoadState6Frag:
    case Opcode::kSetSubdrawSize:
    case Opcode::kSetIndexBuffer:
    case Opcode::kSetUnkBinData:
    case Opcode::kSetPseudoReg:
    case Opcode::kSetMode:
    case Opcode::kSetAmble:
    case Opcode::kContextSwitchYield:
    case Opcode::kPreemptDisable:
      return Hang::kNone;

    default:
      if (state_.generation == Generation::kA7xx) {
        return ExecuteA7xx(opcode, payload);
      }
      state_.CountNotExecuted(opcode);
      return Hang::kNone;
  }
}

Hang CommandProcessor::ExecuteA7xx(Opcode opcode, Payload payload) {
  switch (opcode) {
    case Opcode::kThreadControl:
      return ThreadControl(state_, payload);
    case Opcode::kMemToScratchMem:
      return MemToScratchMem(state_, payload);
    case Opcode::kBvBrCountOps:
    case Opcode::kModifyTimestamp:
    case Opcode::kResourceList:
      return Hang::kNone;
    default:
      state_.CountNotExecuted(opcode);
      return Hang::kNone;
  }
}

Hang CommandProcessor::Draw(uint64_t& counter) {
  if (const auto group = draw_state_.NextFor(state_.mode)) {
    frames_.back() = packet_start_;
    --state_.stats.packets;  // It is the same packet again.
    return Enter(*group, /*is_draw_state=*/true);
  }
  if (!state_.draw_predicate.DropsDraws()) ++counter;
  return Hang::kNone;
}

Hang CommandProcessor::EnterIndirectBuffer(Payload payload) {
  if (payload.size() < 3) return Hang::kShortPacket;
  return Enter({AddressAt(payload, 0), Field(payload[2], 19, 0)});
}

Hang CommandProcessor::Chain(Payload payload) {
  // A jump: what is left of this buffer is never run.
  if (payload.size() < 3) return Hang::kShortPacket;
  frames_.pop_back();
  return Enter({AddressAt(payload, 0), Field(payload[2], 19, 0)});
}

Hang CommandProcessor::Apply(const Condition& condition) {
  if (const auto* hang = std::get_if<Hang>(&condition)) return *hang;
  Frame& frame = frames_.back();
  const uint32_t skipped =
      std::min(std::get<Skip>(condition).dwords, frame.dwords);
  frame.iova += 4 * uint64_t{skipped};
  frame.dwords -= skipped;
  return Hang::kNone;
}

}  // namespace nacre::simulator
