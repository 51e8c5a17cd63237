// A virtio-gpu device over the simulated GPU, in this process.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/descriptor_room.h"
#include "devices/virtio_gpu/display/headless_sink.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "hypervisor.h"
#include "simulator/simulated_device.h"

namespace {

absl::Status Run() {
  // Each is used by the next. On an Adreno, msm::LibdrmDevice is the first.
  auto gpu = nacre::simulator::SimulatedDevice::Create({});
  if (!gpu.ok()) return gpu.status();
  auto msm = nacre::msm::MsmContextType::Create(**gpu);
  if (!msm.ok()) return msm.status();
  std::vector<std::unique_ptr<nacre::virtio_gpu::ContextType>> context_types;
  context_types.push_back(*std::move(msm));
  auto device = nacre::virtio_gpu::VirtioGpu::Create(
      {}, std::move(context_types),
      std::make_unique<nacre::virtio_gpu::HeadlessSink>(
          nacre::virtio_gpu::HeadlessSink::Keep::kCounts));
  if (!device.ok()) return device.status();
  return embedder::RunGuest(**device);
}

}  // namespace

int main() {
  nacre::MakeRoomForDescriptors();
  const absl::Status status = Run();
  if (status.ok()) return EXIT_SUCCESS;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return EXIT_FAILURE;
}
