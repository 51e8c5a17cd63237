#include "simulator/chips.h"

#include <array>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace nacre::simulator {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

constexpr std::array<Chip, 3> kChips = {{
    // Snapdragon 845.
    {.name = "a630",
     .generation = Generation::kA6xx,
     .gpu_id = 630,
     .chip_id = 0x06030001,
     .gmem_size = 0x100000,
     .gmem_base = 0x100000,
     .max_freq = 710'000'000,
     .va_start = 4 * kGiB,
     .va_size = 4 * kGiB,
     .highest_bank_bit = 15,
     .macrotile_mode = 0,
     .ubwc_swizzle = 6,
     .raytracing = false,
     .has_cached_coherent = true},
    // Snapdragon 888.
    {.name = "a660",
     .generation = Generation::kA6xx,
     .gpu_id = 660,
     .chip_id = 0x06060001,
     .gmem_size = 0x180000,
     .gmem_base = 0,
     .max_freq = 840'000'000,
     .va_start = 4 * kGiB,
     .va_size = 16 * kGiB,
     .highest_bank_bit = 16,
     .macrotile_mode = 1,
     .ubwc_swizzle = 6,
     .raytracing = false,
     .has_cached_coherent = true},
    // Snapdragon 8 Gen 1. Its GMEM starts at 0; Linux 6.12 still answers
    // 0x100000 here (its test lacks the a7xx gen1 family), newer ones do not.
    {.name = "a730",
     .generation = Generation::kA7xx,
     .gpu_id = 0,
     .chip_id = 0x07030001,
     .gmem_size = 0x200000,
     .gmem_base = 0,
     .max_freq = 818'000'000,
     .va_start = 4 * kGiB,
     .va_size = 16 * kGiB,
     .highest_bank_bit = 16,
     .macrotile_mode = 1,
     .ubwc_swizzle = 6,
     .raytracing = false,
     .has_cached_coherent = true},
}};

}  // namespace

absl::StatusOr<const Chip*> FindChip(absl::string_view name) {
  std::string known;
  for (const Chip& chip : kChips) {
    if (chip.name == name) return &chip;
    absl::StrAppend(&known, known.empty() ? "" : ", ", chip.name);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown simulated GPU '", name, "': the known ones are ", known));
}

}  // namespace nacre::simulator
