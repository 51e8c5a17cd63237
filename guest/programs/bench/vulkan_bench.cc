// Measures frames of Vulkan (vulkan_frames.h) on one or more contexts at once:
// each has a thread and a VkDevice, for which turnip opens the render node, so
// that each is a context of its own for a virtio-gpu.
//
// Prints what usage.h says about --frames frames of all contexts together,
// after
// --warm-up frames of each. tools/bench/suite.py has the shapes that
// tools/bench.sh measures. Exits with 0, or 1 after a line that says what
// failed, or 2 for a wrong flag.

#include <pthread.h>
#include <vulkan/vulkan.h>

#include <cstdint>
#include <latch>
#include <thread>
#include <vector>

#include "guest/programs/bench/usage.h"
#include "guest/programs/bench/vulkan_frames.h"
#include "guest/programs/report.h"
#include "guest/programs/vulkan_device.h"

namespace nacre::guest {
namespace {

int Main(int argc, char** argv) {
  FrameShape shape;
  uint32_t frames = 300;
  uint32_t warm_up = 30;
  uint32_t contexts = 1;
  const Flag flags[] = {{"frames", &frames, 1, 10000000},
                        {"warm-up", &warm_up, 0, 10000000},
                        {"contexts", &contexts, 1, 256},
                        {"submits", &shape.submits, 1, 1024},
                        {"under-way", &shape.under_way, 1, 16},
                        {"buffers", &shape.buffers, 0, 8192},
                        {"fresh", &shape.fresh, 0, 1024},
                        {"size", &shape.size, 4, 64 << 20},
                        {nullptr, nullptr, 0, 0}};
  ParseFlags(argc, argv, flags);

  const VkInstance instance = CreateInstance();
  const VkPhysicalDevice physical = PickPhysicalDevice(instance);
  std::latch warm(contexts), measuring(1), done(contexts), measured(1);
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < contexts; ++i) {
    const uint32_t share = frames / contexts + (i < frames % contexts ? 1 : 0);
    threads.emplace_back([&, share] {
      VulkanFrames context(physical, shape);
      for (uint32_t frame = 0; frame < warm_up; ++frame) context.Frame();
      context.Finish();
      warm.count_down();
      measuring.wait();
      for (uint32_t frame = 0; frame < share; ++frame) context.Frame();
      context.Finish();
      done.count_down();
      measured.wait();
    });
    pthread_setname_np(threads.back().native_handle(), "frames");
  }
  warm.wait();
  {
    const Usage usage;
    measuring.count_down();
    done.wait();
    usage.Print("vulkan_bench", frames, uint64_t{frames} * shape.submits);
  }
  measured.count_down();
  for (std::thread& thread : threads) thread.join();
  vkDestroyInstance(instance, nullptr);
  return 0;
}

}  // namespace
}  // namespace nacre::guest

int main(int argc, char** argv) { return nacre::guest::Main(argc, argv); }
