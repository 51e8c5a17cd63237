#include "nacre/config.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/checked.h"
#include "base/errno_status.h"
#include "base/fd.h"
#include "base/page_size.h"
#include "base/status_macros.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"
#include "nacre/gpu_limits.h"

namespace nacre {
namespace {

constexpr uint32_t kMaxVcpus = 64;
constexpr uint32_t kMinMemoryMib = 64;
constexpr int kMaxMemoryRegions = 64;  // A boot_params lists 128 ranges in all.
constexpr uint32_t kMaxScanouts = 16;  // VIRTIO_GPU_MAX_SCANOUTS.
constexpr uint32_t kMaxModeSide = 4095;  // Pixels, as an EDID can say.
// Longer ones would each be a hang (SimulatorConfig::hang_timeout).
constexpr uint32_t kMaxSubmissionUs = 499'999;
constexpr uint32_t kMaxMegabytesPerSecond = 1'000'000;
constexpr uint32_t kMaxMegapixelsPerSecond = 1'000'000;
// The largest BAR, aligned to its size, that PlacePciWindow64 surely leaves
// room for.
constexpr uint64_t kMaxWindowMib = 32768;

// Keeps the parser's first complaint: the ones after it follow from it.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (text_.empty()) {
      text_ = absl::StrCat(line + 1, ":", column + 1, ": ", message);
    }
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

absl::Status CheckRange(const char* field, uint64_t value, uint64_t low,
                        uint64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      field, " is ", value, "; it must be from ", low, " to ", high));
}

absl::Status CheckMemoryRegions(const VmConfig& config) {
  if (config.memory_region_size() > kMaxMemoryRegions) {
    return absl::InvalidArgumentError(
        absl::StrCat(config.memory_region_size(),
                     " memory_regions; there may be ", kMaxMemoryRegions));
  }
  std::vector<MemoryRegion> regions(config.memory_region().begin(),
                                    config.memory_region().end());
  for (const MemoryRegion& region : regions) {
    if (!IsAligned(region.guest_address(), HostPageSize())) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "memory_region at %#x is unaligned: guest_address "
          "must be a multiple of %u, the host's page, %#x for example",
          region.guest_address(), HostPageSize(),
          AlignDown(region.guest_address(), HostPageSize())));
    }
    if (region.size() == 0 || !IsAligned(region.size(), HostPageSize())) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "memory_region at %#x has size %#x; it must be a non-zero multiple "
          "of %u, the host's page",
          region.guest_address(), region.size(), HostPageSize()));
    }
    if (!CheckedAdd(region.guest_address(), region.size())) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "memory_region at %#x with size %#x ends beyond the address space",
          region.guest_address(), region.size()));
    }
  }
  std::sort(regions.begin(), regions.end(), [](const auto& a, const auto& b) {
    return a.guest_address() < b.guest_address();
  });
  for (size_t i = 1; i < regions.size(); ++i) {
    const uint64_t end = regions[i - 1].guest_address() + regions[i - 1].size();
    if (end > regions[i].guest_address()) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "memory_region at %#x overlaps the one at %#x, which ends at %#x: "
          "move it there or beyond",
          regions[i].guest_address(), regions[i - 1].guest_address(), end));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckGpuTime(const Gpu& gpu, bool is_simulated) {
  if (!gpu.has_time()) return absl::OkStatus();
  if (!is_simulated) {
    return absl::InvalidArgumentError(absl::StrCat(
        "gpu.time is for simulated GPUs (sim:a660 for example); gpu.device is ",
        absl::CEscape(gpu.device())));
  }
  const GpuTime& time = gpu.time();
  if (time.has_submission_us()) {
    RETURN_IF_ERROR(CheckRange("gpu.time.submission_us", time.submission_us(),
                               1, kMaxSubmissionUs));
  }
  if (time.has_megabytes_per_second()) {
    RETURN_IF_ERROR(CheckRange("gpu.time.megabytes_per_second",
                               time.megabytes_per_second(), 1,
                               kMaxMegabytesPerSecond));
  }
  if (time.has_megapixels_per_second()) {
    RETURN_IF_ERROR(CheckRange("gpu.time.megapixels_per_second",
                               time.megapixels_per_second(), 1,
                               kMaxMegapixelsPerSecond));
  }
  return absl::OkStatus();
}

absl::Status CheckGpu(const Gpu& gpu) {
  const std::string& device = gpu.device();
  const bool is_simulated = device.rfind("sim:", 0) == 0;
  if (device != "none" && !is_simulated && device.rfind('/', 0) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("gpu.device is \"", absl::CEscape(device),
                     "\"; it must be sim:CHIP (sim:a660 for example), the "
                     "path of a render node (/dev/dri/renderD128) or none"));
  }
  if (!IsPowerOfTwo(gpu.window_mib())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "gpu.window_mib is ", gpu.window_mib(), "; it must be a power of two"));
  }
  RETURN_IF_ERROR(
      CheckRange("gpu.window_mib", gpu.window_mib(), 1, kMaxWindowMib));
  RETURN_IF_ERROR(CheckGpuTime(gpu, is_simulated));
  RETURN_IF_ERROR(ValidateGpuLimits(gpu));
  if (gpu.jail() != "off" && gpu.jail() != "best-effort" &&
      gpu.jail() != "required") {
    return absl::InvalidArgumentError(
        absl::StrCat("gpu.jail is \"", absl::CEscape(gpu.jail()),
                     "\"; it must be off, best-effort or required"));
  }
  RETURN_IF_ERROR(CheckRange("gpu.scanouts", gpu.scanouts(), 0, kMaxScanouts));
  RETURN_IF_ERROR(CheckRange("gpu.width", gpu.width(), 1, kMaxModeSide));
  return CheckRange("gpu.height", gpu.height(), 1, kMaxModeSide);
}

}  // namespace

absl::StatusOr<VmConfig> LoadConfig(const std::string& path) {
  const std::string what =
      absl::StrCat("cannot read the config ", path,
                   ", which must be a VmConfig in protobuf text format");
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return ErrnoStatus(what);
  std::string text;
  std::array<char, 4096> part;
  for (;;) {
    const ssize_t count = read(file.get(), part.data(), part.size());
    if (count < 0) return ErrnoStatus(what);
    if (count == 0) return ParseConfig(text, path);
    text.append(part.data(), static_cast<size_t>(count));
  }
}

absl::StatusOr<VmConfig> ParseConfig(const std::string& text,
                                     const std::string& name) {
  VmConfig config;
  RETURN_IF_ERROR(MergeText(text, name, config));
  return config;
}

absl::Status MergeText(const std::string& text, const std::string& name,
                       google::protobuf::Message& message) {
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (!parser.MergeFromString(text, &message)) {
    return absl::InvalidArgumentError(absl::StrCat(name, ":", error.text()));
  }
  return absl::OkStatus();
}

absl::Status ValidateConfig(const VmConfig& config) {
  RETURN_IF_ERROR(CheckRange("vcpus", config.vcpus(), 1, kMaxVcpus));
  if (config.memory_region().empty()) {
    RETURN_IF_ERROR(CheckRange("memory_mib", config.memory_mib(), kMinMemoryMib,
                               UINT32_MAX));
  } else if (config.has_memory_mib()) {
    return absl::InvalidArgumentError(
        "memory_mib and memory_region are both given; give one of them");
  }
  RETURN_IF_ERROR(CheckMemoryRegions(config));
  if (config.boot().kernel().empty()) {
    return absl::InvalidArgumentError(
        "no kernel; give --kernel=FILE or boot.kernel in the config: a bzImage "
        "or a vmlinux, on aarch64 an Image");
  }
  return CheckGpu(config.gpu());
}

}  // namespace nacre
