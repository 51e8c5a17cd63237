#include "nacre/stress/local_gpu.h"

#include <utility>
#include <vector>

#include "devices/virtio_gpu/msm/context_type.h"

namespace nacre {

LocalGpu::LocalGpu(Options options)
    : simulator_(*simulator::SimulatedDevice::Create(options.simulator)) {
  auto type = *msm::MsmContextType::Create(*simulator_);
  counters_ = &type->counters();
  std::vector<std::unique_ptr<virtio_gpu::ContextType>> types;
  types.push_back(std::move(type));
  auto sink = std::make_unique<virtio_gpu::HeadlessSink>(
      virtio_gpu::HeadlessSink::Keep::kFrames);
  sink_ = sink.get();
  virtio_gpu::VirtioGpu::Config config;
  config.num_scanouts = Desktop::kScanouts;
  config.window_bytes = options.window_bytes;
  config.limits.log_lines_per_second = 0;  // Programs do wrong on purpose.
  device_ = *virtio_gpu::VirtioGpu::Create(
      config, std::move(types), std::move(sink), std::move(options.window));
}

uint64_t LocalGpu::Left() const {
  const simulator::SimulatorStats gpu = simulator_->stats();
  return stats().contexts.value() + stats().resources.value() +
         stats().mapped_blobs.value() + stats().fences_pending.value() +
         stats().image_bytes.value() + counters_->files.value() +
         counters_->objects.value() + counters_->object_bytes.value() +
         counters_->submitqueues.value() + counters_->control_memories.value() +
         gpu.files_open + gpu.buffers;
}

}  // namespace nacre
