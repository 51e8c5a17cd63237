// Blits whose registers are the input: byte 0 chooses the generation, each
// further four are a register's value.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

#include "base/mapping.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "glog/logging.h"
#include "simulator/address_space.h"
#include "simulator/blit_2d.h"
#include "simulator/buffer_pool.h"

namespace nacre::simulator {
namespace {

// Low, so that inputs of few bits have addresses that are mapped.
constexpr uint64_t kIova = 0x10000;
constexpr uint64_t kSize = 0x10000;
constexpr uint64_t kGmemBase = 0x100000;
constexpr uint64_t kGmemSize = 0x1000;
constexpr uint64_t kWorkLimit = 20'000;

constexpr uint32_t kRegisters[] = {
    0x8c00, 0x8c17, 0x8c18, 0x8c19, 0x8c1a, 0x8405, 0x8406, 0xb4c0, 0xb4c1,
    0xb4c2, 0xb4c3, 0xb4c4, 0x8401, 0x8402, 0x8403, 0x8404, 0x8c2c, 0x8c2d,
    0x8c2e, 0x8c2f, 0x8c01, 0x840a, 0x840b, 0x8890, 0xb2d2};

// Where a7xx has what a6xx has there.
uint32_t Moved(uint32_t reg) {
  return reg >= 0xb4c0 && reg <= 0xb4c4 ? reg - 0x200 : reg;
}

void RunBlit(const uint8_t* data, size_t size) {
  if (size == 0) return;
  CpState state(RegisterFile::Memory().value());
  const bool a7xx = (data[0] & 1) != 0;
  state.generation = a7xx ? Generation::kA7xx : Generation::kA6xx;
  state.work_left = kWorkLimit;
  size_t at = 1;
  for (const uint32_t reg : kRegisters) {
    if (size - at < 4) break;
    uint32_t value;
    std::memcpy(&value, data + at, sizeof(value));
    at += sizeof(value);
    state.registers.Write(a7xx ? Moved(reg) : reg, value);
  }

  BufferPool pool(uint64_t{1} << 30);
  const auto space = std::make_shared<AddressSpace>(kIova, 0x100000);
  const std::shared_ptr<Buffer> buffer =
      pool.Allocate(kSize, msm::MSM_BO_WC).value();
  const std::shared_ptr<Buffer> constants =
      pool.Allocate(kSize, msm::MSM_BO_WC | msm::MSM_BO_GPU_READONLY).value();
  CHECK(space->Assign(buffer, kIova).ok());
  CHECK(space->Assign(constants, kIova + kSize).ok());
  CHECK(state.memory.AddGmem(kGmemBase, kGmemSize).ok());
  state.memory.Attach(space);
  const uint32_t operation = 3;
  const Hang hang = Blit(state, {&operation, 1});
  state.memory.Detach();

  CHECK(hang == Hang::kNone || hang == Hang::kWorkLimit);
  CHECK_EQ(state.stats.blits + state.stats.blits_not_executed,
           hang == Hang::kNone ? 1u : 0u);
  const Mapping mapping = Mapping::Shared(constants->fd(), 0, kSize).value();
  CHECK(std::all_of(mapping.data(), mapping.data() + kSize,
                    [](uint8_t byte) { return byte == 0; }));
}

}  // namespace
}  // namespace nacre::simulator

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  nacre::simulator::RunBlit(data, size);
  return 0;
}
