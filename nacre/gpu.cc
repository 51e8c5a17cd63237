#include "nacre/gpu.h"

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/display/headless_sink.h"
#include "nacre/gpu_counters.h"
#include "nacre/gpu_limits.h"
#include "simulator/gpu_clock.h"
#include "vmm/guest_caching.h"

namespace nacre {
namespace {

constexpr char kSimulatorPrefix[] = "sim:";

simulator::TimeModel TimeModelOf(const GpuTime& time) {
  // Bytes a microsecond are megabytes a second, as pixels are megapixels.
  return {.submission = std::chrono::microseconds(time.submission_us()),
          .bytes_per_microsecond = time.megabytes_per_second(),
          .pixels_per_microsecond = time.megapixels_per_second()};
}

}  // namespace

absl::StatusOr<std::unique_ptr<GpuStack>> GpuStack::Create(const Gpu& config,
                                                           Host host) {
  std::unique_ptr<GpuStack> stack(new GpuStack());
  stack->name_ = config.device();

  msm::MsmConfig msm_config;
  msm_config.limits = MsmLimitsOf(config);
  absl::string_view chip = config.device();
  if (absl::ConsumePrefix(&chip, kSimulatorPrefix)) {
    simulator::SimulatorConfig simulator_config;
    simulator_config.chip = std::string(chip);
    simulator_config.time_model = TimeModelOf(config.time());
    MakeRoom(config, simulator_config);
    ASSIGN_OR_RETURN(std::unique_ptr<simulator::SimulatedDevice> simulator,
                     simulator::SimulatedDevice::Create(simulator_config));
    stack->simulator_ = simulator.get();
    stack->drm_ = std::move(simulator);
  } else {
    ASSIGN_OR_RETURN(stack->drm_, msm::LibdrmDevice::Create(
                                      config.device(), msm::DrmIoctl::Kernel(),
                                      std::move(host.open_node)));
    // A KVM that cannot tell cannot make a machine either, and says why there.
    msm_config.guests_always_cached =
        host.guests_always_cached
            ? *host.guests_always_cached
            : vmm::GuestsAreAlwaysCached().value_or(false);
  }

  ASSIGN_OR_RETURN(std::unique_ptr<msm::MsmContextType> context_type,
                   msm::MsmContextType::Create(*stack->drm_, msm_config));
  stack->msm_ = context_type.get();
  std::vector<std::unique_ptr<virtio_gpu::ContextType>> context_types;
  context_types.push_back(std::move(context_type));

  virtio_gpu::VirtioGpu::Config device_config;
  device_config.num_scanouts = config.scanouts();
  device_config.width = config.width();
  device_config.height = config.height();
  device_config.window_bytes = config.window_mib() << 20;
  device_config.limits = DeviceLimitsOf(config);
  ASSIGN_OR_RETURN(stack->device_,
                   virtio_gpu::VirtioGpu::Create(
                       device_config, std::move(context_types),
                       std::make_unique<virtio_gpu::HeadlessSink>(
                           virtio_gpu::HeadlessSink::Keep::kCounts),
                       std::move(host.window)));
  return stack;
}

GpuSummary GpuStack::Summary() {
  GpuSummary summary;
  summary.set_device(name_);
  AddDeviceCounters(device_->stats(), summary);
  AddMsmCounters(msm_->counters(), summary);
  if (simulator_ != nullptr) {
    AddSimulatorCounters(simulator_->stats(), *summary.mutable_simulator());
  }
  return summary;
}

}  // namespace nacre
