#ifndef NACRE_NACRE_GPU_PROCESS_H_
#define NACRE_NACRE_GPU_PROCESS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace nacre {

// The process that JailedGpu starts: this program with one argument, which is
// not for users. The first that main does is
//
//   if (argc == 2) {
//     if (const auto options = nacre::ParseGpuProcessArgument(argv[1])) {
//       nacre::MakeRoomForDescriptors();
//       nacre::RunGpuProcess(*options);
//     }
//   }
struct GpuProcessOptions {
  bool namespaces = false;   // jail::Process gave it some.
  bool render_node = false;  // Its GPU is not a simulated one.
};

std::string GpuProcessArgument(const GpuProcessOptions& options);
// Nullopt where `argument` is another one.
std::optional<GpuProcessOptions> ParseGpuProcessArgument(
    const std::string& argument);

// All ioctls that it can make: none for a simulated GPU.
std::span<const uint32_t> IoctlsOf(const GpuProcessOptions& options);

// Confines this process, then runs the device that the VMM's process asks for
// by the two channels that are its descriptors (control, then services), until
// that goes away, and ends it. Before there are threads.
[[noreturn]] void RunGpuProcess(const GpuProcessOptions& options);

}  // namespace nacre

#endif  // NACRE_NACRE_GPU_PROCESS_H_
