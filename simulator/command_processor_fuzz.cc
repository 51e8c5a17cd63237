// Runs bytes as a command stream: byte 0 chooses the generation and whether
// packet headers are taken as they are or made valid first (else hardly any
// input would get beyond its first packet); the rest is the buffer.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
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
constexpr uint64_t kWorkLimit = 20'000;

void MakeHeadersValid(std::vector<uint32_t>& stream) {
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

void RunStream(const uint8_t* data, size_t size) {
  if (size == 0) return;
  const Generation generation =
      (data[0] & 1) != 0 ? Generation::kA7xx : Generation::kA6xx;
  const bool make_valid = (data[0] & 2) != 0;
  std::vector<uint32_t> stream(std::min<size_t>((size - 1) / 4, kSize / 4));
  if (stream.empty()) return;
  std::memcpy(stream.data(), data + 1, 4 * stream.size());
  if (make_valid) MakeHeadersValid(stream);

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

  CommandProcessor processor({.generation = generation,
                              .hang_timeout = std::chrono::milliseconds(0),
                              .work_limit = kWorkLimit});
  const IndirectBuffer whole{kIova, static_cast<uint32_t>(stream.size())};
  const Hang first = processor.Run(space, {&whole, 1});
  const CommandProcessorStats stats = processor.TakeStats();
  CHECK_EQ(stats.hangs.size(), first == Hang::kNone ? 0u : 1u);
  CHECK_LE(stats.packets, kWorkLimit);
  CHECK_LE(stats.indirect_buffers, kWorkLimit);
  // Whatever it left behind, the next submission is as good as the first.
  processor.Run(space, {&whole, 1});
}

}  // namespace
}  // namespace nacre::simulator

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  nacre::simulator::RunStream(data, size);
  return 0;
}
