#include "devices/virtio_gpu/gpu_device.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/page_size.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/edid.h"
#include "devices/virtio_gpu/host_visible_window.h"
#include "devices/virtio_gpu/session.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

// A fenced command holds its chain until its fence: room for what a busy guest
// has in flight.
constexpr std::array<uint16_t, 2> kQueueSizes = {512, 64};

// What the configuration field can say.
constexpr uint64_t kMaxPageSize = uint64_t{1} << 31;

absl::Status CheckConfig(const VirtioGpu::Config& config) {
  if (config.num_scanouts > wire::kMaxScanouts) {
    return absl::InvalidArgumentError(absl::StrCat(
        config.num_scanouts, " scanouts: 0 to ", wire::kMaxScanouts));
  }
  if (config.width < 1 || config.width > kMaxEdidPixels || config.height < 1 ||
      config.height > kMaxEdidPixels) {
    return absl::InvalidArgumentError(
        absl::StrCat("display of ", config.width, "x", config.height,
                     " pixels: sides are 1 to ", kMaxEdidPixels));
  }
  if (!IsPowerOfTwo(config.page_size) || config.page_size < HostPageSize() ||
      config.page_size > kMaxPageSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("pages of ", config.page_size, " bytes: a power of two, ",
                     HostPageSize(), " to ", kMaxPageSize));
  }
  return absl::OkStatus();
}

absl::Status CheckContextTypes(
    std::span<const std::unique_ptr<ContextType>> types) {
  uint64_t seen = 0;
  for (const auto& type : types) {
    const uint32_t id = type->capset_id();
    if (id < 1 || id > wire::kMaxCapsetId || (seen >> id & 1) != 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "capset id ", id, ": 1 to ", wire::kMaxCapsetId, ", each once"));
    }
    seen |= uint64_t{1} << id;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<VirtioGpu>> VirtioGpu::Create(
    const Config& config,
    std::vector<std::unique_ptr<ContextType>> context_types,
    std::unique_ptr<DisplaySink> sink, std::unique_ptr<BlobWindow> window) {
  RETURN_IF_ERROR(CheckConfig(config));
  RETURN_IF_ERROR(CheckContextTypes(context_types));
  if (sink == nullptr) {
    return absl::InvalidArgumentError("virtio-gpu needs a display sink");
  }
  if (window == nullptr) {
    ASSIGN_OR_RETURN(HostVisibleWindow own,
                     HostVisibleWindow::Create(
                         config.window_bytes, config.limits, config.page_size));
    window = std::make_unique<HostVisibleWindow>(std::move(own));
  }
  return absl::WrapUnique(new VirtioGpu(config, std::move(context_types),
                                        std::move(sink), std::move(window)));
}

VirtioGpu::VirtioGpu(const Config& config,
                     std::vector<std::unique_ptr<ContextType>> context_types,
                     std::unique_ptr<DisplaySink> sink,
                     std::unique_ptr<BlobWindow> window)
    : config_(config),
      context_types_(std::move(context_types)),
      sink_(std::move(sink)),
      log_limiter_(config.limits.log_lines_per_second),
      window_(std::move(window)) {}

VirtioGpu::~VirtioGpu() = default;

uint16_t VirtioGpu::device_id() const { return wire::kDeviceId; }

uint64_t VirtioGpu::device_features() const {
  uint64_t features = wire::kFeatureResourceUuid | wire::kFeatureResourceBlob;
  if (config_.num_scanouts != 0) features |= wire::kFeatureEdid;
  if (!context_types_.empty()) {
    features |= wire::kFeatureVirgl | wire::kFeatureContextInit;
  }
  if (config_.page_size > kSmallestPageSize) {
    features |= wire::kFeatureBlobAlignment;
  }
  return features;
}

bool VirtioGpu::AcceptsFeatures(uint64_t driver_features) const {
  const auto has = [driver_features](uint64_t feature) {
    return (driver_features & feature) != 0;
  };
  return (!has(wire::kFeatureContextInit) || has(wire::kFeatureVirgl)) &&
         (!has(wire::kFeatureBlobAlignment) || has(wire::kFeatureResourceBlob));
}

std::span<const uint16_t> VirtioGpu::max_queue_sizes() const {
  return kQueueSizes;
}

std::vector<virtio::SharedMemoryRegion> VirtioGpu::shared_memory_regions() {
  if (window_->host().empty()) return {};
  return {{wire::kShmIdHostVisible, window_->host()}};
}

void VirtioGpu::ReadConfig(uint64_t offset, std::span<uint8_t> data) {
  // Nothing raises an event: the display never changes.
  const bool aligned = (device_features() & wire::kFeatureBlobAlignment) != 0;
  const wire::Config config = {
      .events_read = 0,
      .events_clear = 0,
      .num_scanouts = config_.num_scanouts,
      .num_capsets = static_cast<uint32_t>(context_types_.size()),
      .blob_alignment = aligned ? static_cast<uint32_t>(config_.page_size) : 0};
  const std::span<const uint8_t> bytes = AsBytes(config);
  std::fill(data.begin(), data.end(), 0);
  if (offset >= bytes.size()) return;
  const size_t size = std::min<size_t>(data.size(), bytes.size() - offset);
  std::copy_n(bytes.begin() + offset, size, data.begin());
}

void VirtioGpu::WriteConfig(uint64_t, std::span<const uint8_t>) {
  // events_clear, the only writable field, clears what is never set.
}

absl::Status VirtioGpu::Activate(virtio::Activation activation) {
  RETURN_IF_ERROR(End());
  const Executor::Environment environment = {
      .context_types = context_types_,
      .memory = activation.memory,
      .window = window_.get(),
      .sink = sink_.get(),
      .stats = &stats_,
      .log_limiter = &log_limiter_,
      .num_scanouts = config_.num_scanouts,
      .width = config_.width,
      .height = config_.height,
      .page_size = config_.page_size,
      .features = activation.driver_features,
      .limits = config_.limits};
  ASSIGN_OR_RETURN(session_,
                   Session::Start(environment, std::move(activation)));
  stats_.activations.Add();
  return absl::OkStatus();
}

void VirtioGpu::Reset() {
  const absl::Status ended = End();
  LOG_IF(ERROR,
         !ended.ok() && !absl::IsUnavailable(ended) && log_limiter_.Allow())
      << ended;
}

absl::Status VirtioGpu::End() {
  session_.reset();
  // Guests can write there without one, too.
  absl::Status emptied = window_->Clear();
  for (const auto& type : context_types_) type->ReleaseIdle();
  return emptied;
}

}  // namespace nacre::virtio_gpu
