#ifndef NACRE_SIMULATOR_CHIPS_H_
#define NACRE_SIMULATOR_CHIPS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace nacre::simulator {

// Which dialect of PM4 a chip's command processor speaks.
enum class Generation { kA6xx, kA7xx };

// What an Adreno reports through GET_PARAM. Sources: Linux
// drivers/gpu/drm/msm/adreno/{a6xx_catalog,a6xx_gpu,adreno_gpu}.c as of 6.12,
// the clock from the OPP tables of the SoCs that carry the chip.
struct Chip {
  absl::string_view name;
  Generation generation;
  uint32_t gpu_id;   // Decimal revision; 0 for chips known by chip_id only.
  uint64_t chip_id;  // 0xCCMMmmpp; the speed bin, where reported, from bit 32.
  uint64_t gmem_size;  // Bytes.
  uint64_t gmem_base;
  uint64_t max_freq;  // Hz.
  uint64_t va_start;
  uint64_t va_size;
  uint64_t highest_bank_bit;
  uint64_t macrotile_mode;
  uint64_t ubwc_swizzle;
  bool raytracing;
  bool has_cached_coherent;
};

// The chip called `name` ("a630", "a660", "a730"), valid forever.
// InvalidArgument, listing the known names, for any other.
absl::StatusOr<const Chip*> FindChip(absl::string_view name);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_CHIPS_H_
