// The same device in a confined process of its own, which is this program,
// started a second time.

#include <cstdio>
#include <cstdlib>

#include "absl/status/status.h"
#include "base/descriptor_room.h"
#include "hypervisor.h"
#include "nacre/gpu_process.h"
#include "nacre/jailed_gpu.h"
#include "proto/vm_config.pb.h"

namespace {

absl::Status Run() {
  nacre::Gpu config;
  config.set_device("sim:a660");
  const auto gpu = nacre::JailedGpu::Create(config);
  if (!gpu.ok()) return gpu.status();
  return embedder::RunGuest((*gpu)->device());
}

}  // namespace

int main(int argc, char** argv) {
  nacre::MakeRoomForDescriptors();
  if (argc == 2) {
    if (const auto options = nacre::ParseGpuProcessArgument(argv[1])) {
      nacre::RunGpuProcess(*options);
    }
  }
  const absl::Status status = Run();
  if (status.ok()) return EXIT_SUCCESS;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return EXIT_FAILURE;
}
