// Blit events whose registers are the input: byte 0 chooses the generation,
// each further four are a register's value, one event after the other.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

#include "base/mapping.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "glog/logging.h"
#include "simulator/address_space.h"
#include "simulator/buffer_pool.h"
#include "simulator/gmem.h"

namespace nacre::simulator {
namespace {

// GMEM's neighbours are buffers.
constexpr uint64_t kIova = 0x10000;
constexpr uint64_t kSize = 0x10000;
constexpr uint64_t kGmemBase = kIova + kSize;
constexpr uint64_t kGmemSize = 0x4000;
constexpr uint64_t kConstants = kGmemBase + kGmemSize;
constexpr uint64_t kWorkLimit = 20'000;
constexpr uint64_t kMaxEvents = 4;

constexpr uint32_t kRegisters[] = {
    0x88e3, 0x88d7, 0x88d8, 0x88d9, 0x88da, 0x88d5, 0x88d6, 0x8800,
    0x8890, 0x88d1, 0x88d2, 0x88df, 0x88e0, 0x88e1, 0x88e2, 0x88e4};

void RunEvents(const uint8_t* data, size_t size) {
  if (size == 0) return;
  CpState state(RegisterFile::Memory().value());
  state.generation = (data[0] & 1) != 0 ? Generation::kA7xx : Generation::kA6xx;
  state.work_left = kWorkLimit;

  BufferPool pool(uint64_t{1} << 30);
  const auto space = std::make_shared<AddressSpace>(kIova, 0x100000);
  const std::shared_ptr<Buffer> buffer =
      pool.Allocate(kSize, msm::MSM_BO_WC).value();
  const std::shared_ptr<Buffer> constants =
      pool.Allocate(kSize, msm::MSM_BO_WC | msm::MSM_BO_GPU_READONLY).value();
  CHECK(space->Assign(buffer, kIova).ok());
  CHECK(space->Assign(constants, kConstants).ok());
  CHECK(state.memory.AddGmem(kGmemBase, kGmemSize).ok());
  state.memory.Attach(space);
  size_t at = 1;
  for (uint64_t event = 0; event < kMaxEvents && at < size; ++event) {
    for (const uint32_t reg : kRegisters) {
      if (size - at < 4) {
        at = size;
        break;
      }
      uint32_t value;
      std::memcpy(&value, data + at, sizeof(value));
      at += sizeof(value);
      state.registers.Write(reg, value);
    }
    const Hang hang = BlitEvent(state);
    CHECK(hang == Hang::kNone || hang == Hang::kWorkLimit);
  }
  state.memory.Detach();

  // A unit of work is at least a row of no more than 64 pixels.
  CHECK_LE(state.stats.tile_pixels, kWorkLimit * 64);
  const Mapping mapping = Mapping::Shared(constants->fd(), 0, kSize).value();
  CHECK(std::all_of(mapping.data(), mapping.data() + kSize,
                    [](uint8_t byte) { return byte == 0; }));
}

}  // namespace
}  // namespace nacre::simulator

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  nacre::simulator::RunEvents(data, size);
  return 0;
}
