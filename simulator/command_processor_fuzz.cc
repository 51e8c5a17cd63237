// Runs bytes as a command stream. Byte 0 chooses the generation (bit 0) and how
// the others are read: as they are; with packet headers made valid first (bit
// 1), else hardly any input would get beyond its first packet; or as a recipe
// for packets (bit 2), most of which mean something. With bit 3, what is waited
// for may take a moment. With bit 4 the GPU takes its time, and with bit 5 it
// goes before the second submission.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapping.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "glog/logging.h"
#include "simulator/address_space.h"
#include "simulator/buffer_pool.h"
#include "simulator/command_processor.h"
#include "simulator/pm4.h"

namespace nacre::simulator {
namespace {

// Low, so that inputs of few bits have addresses that are mapped.
constexpr uint64_t kIova = 0x1000;
constexpr uint64_t kSize = 0x10000;
constexpr uint64_t kGmemBase = 0x100000;
constexpr uint64_t kGmemSize = 0x4000;
constexpr uint64_t kWorkLimit = 20'000;
constexpr std::chrono::milliseconds kNone(0);
constexpr std::chrono::milliseconds kMoment(1);
// Reads the buffer in less than a moment, but does not fill it.
constexpr TimeModel kSlow = {.bytes_per_microsecond = 100,
                             .pixels_per_microsecond = 10};

using Dwords = std::vector<uint32_t>;

void MakeHeadersValid(Dwords& stream) {
  for (size_t i = 0; i < stream.size();) {
    const uint32_t raw = stream[i];
    const size_t left = stream.size() - i - 1;
    uint32_t count = 0;
    if (Bit(raw, 31)) {
      count = static_cast<uint32_t>(std::min<size_t>(raw & 0xf, left));
      stream[i] = EncodeCommand(static_cast<Opcode>(Field(raw, 22, 16)), count);
    } else if (left > 0) {
      count = static_cast<uint32_t>(std::clamp<size_t>(raw & 0x7, 1, left));
      stream[i] = EncodeRegisterWrite(Field(raw, 25, 8), count);
    } else {
      stream[i] = EncodeCommand(Opcode::kNop, 0);
    }
    i += 1 + count;
  }
}

Dwords FromBytes(std::span<const uint8_t> bytes) {
  Dwords stream(std::min<size_t>(bytes.size() / 4, kSize / 4));
  if (!stream.empty()) {
    std::memcpy(stream.data(), bytes.data(), 4 * stream.size());
  }
  return stream;
}

// A recipe: for each packet a byte that says which, one with how many dwords,
// and for each of these a byte that says of what kind it is, and its value.
// Streams of their own begin every kStreamDwords, for packets to refer to; what
// is not written is full of CP_NOP.
class Recipe {
 public:
  explicit Recipe(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  Dwords Make() {
    Dwords buffer(kSize / 4, EncodeCommand(Opcode::kNop, 0));
    size_t at = 0;
    while (!bytes_.empty() && at + kMaxPacket <= buffer.size()) {
      const uint8_t which = Byte();
      if (which == kNextStream) {
        at = (at / kStreamDwords + 1) * kStreamDwords;
        continue;
      }
      const uint32_t count = Byte() % kMaxPacket;
      if (Bit(which, 7)) {
        buffer[at] = EncodeRegisterWrite(
            kRegisters[which % std::size(kRegisters)], std::max(count, 1u));
      } else {
        buffer[at] = EncodeCommand(static_cast<Opcode>(which), count);
      }
      const uint32_t payload = Bit(which, 7) ? std::max(count, 1u) : count;
      for (uint32_t i = 1; i <= payload; ++i) buffer[at + i] = Value();
      at += 1 + payload;
    }
    return buffer;
  }

 private:
  static constexpr size_t kMaxPacket = 16;
  static constexpr size_t kStreamDwords = 0x400;
  static constexpr uint8_t kNextStream = 0x7e;  // No opcode.
  // Where groups of what the engines read begin (abi D.5), and scratch.
  static constexpr uint32_t kRegisters[] = {
      0x8400, 0x8401, 0x8405, 0x840a, 0x8800, 0x8890, 0x8891, 0x88d1,
      0x88d5, 0x88d7, 0x88df, 0x88e3, 0x8927, 0x8c00, 0x8c01, 0x8c17,
      0x8c2c, 0xb2c0, 0xb4c0, 0x9218, 0x0883, 0x0c38,
  };
  enum Kind { kSmall = 1, kIovaLow, kHigh, kStream, kGmem };  // Else raw.

  uint8_t Byte() {
    if (bytes_.empty()) return 0;
    const uint8_t byte = bytes_[0];
    bytes_ = bytes_.subspan(1);
    return byte;
  }
  uint32_t Dword() {
    uint32_t value = Byte();
    for (int i = 1; i < 4; ++i) value |= uint32_t{Byte()} << 8 * i;
    return value;
  }
  uint32_t Value() {
    switch (Byte() % 8) {
      case kSmall:
        return Byte();
      case kIovaLow:
        return kIova + (Dword() & (2 * kSize - 1));
      case kHigh:
        return 0;
      case kStream:
        return static_cast<uint32_t>(kIova + 4 * kStreamDwords * (Byte() % 16));
      case kGmem:
        return kGmemBase + (Dword() & (2 * kGmemSize - 1));
      default:
        return Dword();
    }
  }

  std::span<const uint8_t> bytes_;
};

void RunStream(const uint8_t* data, size_t size) {
  if (size == 0) return;
  const Generation generation =
      (data[0] & 1) != 0 ? Generation::kA7xx : Generation::kA6xx;
  const bool make_valid = (data[0] & 2) != 0;
  const bool is_recipe = (data[0] & 4) != 0;
  const std::span<const uint8_t> bytes(data + 1, size - 1);
  Dwords stream = is_recipe ? Recipe(bytes).Make() : FromBytes(bytes);
  if (stream.empty()) return;
  if (make_valid && !is_recipe) MakeHeadersValid(stream);

  BufferPool pool(uint64_t{1} << 30);
  const auto space = std::make_shared<AddressSpace>(kIova, 0x100000);
  const std::shared_ptr<Buffer> buffer =
      pool.Allocate(kSize, msm::MSM_BO_WC).value();
  const std::shared_ptr<Buffer> constants =
      pool.Allocate(0x1000, msm::MSM_BO_WC | msm::MSM_BO_GPU_READONLY).value();
  CHECK(space->Assign(buffer, kIova).ok());
  CHECK(space->Assign(constants, kIova + kSize).ok());
  {
    const Mapping mapping = Mapping::Shared(buffer->fd(), 0, kSize).value();
    std::memcpy(mapping.data(), stream.data(), 4 * stream.size());
  }

  std::atomic<bool> stop = false;
  const auto processor =
      CommandProcessor::Create(
          {.generation = generation,
           .gmem_base = kGmemBase,
           .gmem_size = kGmemSize,
           .hang_timeout = (data[0] & 8) != 0 ? kMoment : kNone,
           .time_model = (data[0] & 16) != 0 ? kSlow : TimeModel{},
           .work_limit = kWorkLimit,
           .stop = &stop})
          .value();
  const IndirectBuffer whole{kIova, static_cast<uint32_t>(stream.size())};
  const Hang first = processor->Run(space, {&whole, 1});
  const CommandProcessorStats stats = processor->TakeStats();
  CHECK_EQ(stats.hangs.size(), first == Hang::kNone ? 0u : 1u);
  CHECK_EQ(stats.hangs.count(std::string(HangName(first))), stats.hangs.size());
  CHECK_LE(stats.packets, kWorkLimit);
  CHECK_LE(stats.indirect_buffers, kWorkLimit);
  stop = (data[0] & 32) != 0;
  // Whatever it left behind, the next submission is as good as the first.
  const Hang second = processor->Run(space, {&whole, 1});
  CHECK_EQ(second == Hang::kDeviceGone, stop);
  const Mapping read_only = Mapping::Shared(constants->fd(), 0, 0x1000).value();
  CHECK(std::all_of(read_only.data(), read_only.data() + read_only.size(),
                    [](uint8_t byte) { return byte == 0; }));
}

}  // namespace
}  // namespace nacre::simulator

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  nacre::simulator::RunStream(data, size);
  return 0;
}
