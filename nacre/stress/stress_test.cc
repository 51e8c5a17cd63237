// Programs that make contexts and buffers, submit, wait, map, unmap and die,
// all at once, while their kernel resets the device under them: for the races
// between the device's thread, its fences, the GPU and a reset. Under TSan, if
// it is to find any.

#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <random>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/display/headless_sink.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "gtest/gtest.h"
#include "nacre/stress/shared_driver.h"
#include "simulator/simulated_device.h"

namespace nacre {
namespace {

using msm::High;
using msm::Low;
using virtio_gpu::Request;
using virtio_gpu::wire::Type;

constexpr int kPrograms = 6;
constexpr auto kDuration = std::chrono::seconds(1);
constexpr uint64_t kCallsBetweenResets = 2500;
constexpr uint64_t kPage = kLargestPageSize;
constexpr uint32_t kBuffers = 4;  // Of one context.
constexpr uint64_t kIova = uint64_t{1} << 32;
// The ring of the middle priority, on which queue 0 runs.
constexpr uint8_t kRing = 2;

size_t CountFds() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                       std::filesystem::directory_iterator());
}

// A program after the other, each with a context of its own.
class Programs {
 public:
  Programs(SharedDriver& driver, std::span<uint8_t> window, uint32_t number)
      : driver_(driver),
        window_(window),
        context_(1 + number),
        first_resource_(1 + 100 * number),
        first_page_(number * (1 + kBuffers)),
        random_(number) {}

  void RunOne() {
    Call(
        virtio_gpu::CreateContextRequest(context_, msm::VIRTIO_GPU_CAPSET_DRM));
    CreateBlob(0, 0);
    for (uint32_t i = 1; i <= kBuffers; ++i) NewBuffer(i);
    Flush();
    for (uint32_t i = 1; i <= kBuffers; ++i) CreateBlob(i, i);
    for (int i = 0; i < 20; ++i) Step();
    // Some die as they are, some tidy up; some while the GPU is at work.
    if (Below(2) == 0) {
      for (uint32_t i = 0; i <= kBuffers; ++i) {
        Call(OnResource(Type::kResourceUnref, i));
      }
    }
    Submit();
    Call(Request(Type::kCtxDestroy).Context(context_));
    for (uint32_t i = 0; i <= kBuffers; ++i) {
      Call(OnResource(Type::kResourceUnref, i));
    }
  }

 private:
  uint32_t Below(uint32_t limit) {
    return static_cast<uint32_t>(random_() % limit);
  }

  void Step() {
    const uint32_t buffer = 1 + Below(kBuffers);
    switch (Below(8)) {
      case 0:
        Call(virtio_gpu::MapRequest(first_resource_ + buffer,
                                    (first_page_ + buffer) * kPage));
        break;
      case 1:
        Call(OnResource(Type::kResourceUnmapBlob, buffer));
        break;
      case 2:
        // Mapped or not.
        window_[(first_page_ + buffer) * kPage + Below(kPage)] = 1;
        break;
      case 3: {
        // Another program's, which may be gone, then gone again.
        const Request attach =
            virtio_gpu::ResourceRequest(Type::kCtxAttachResource,
                                        1 + 100 * Below(kPrograms) + buffer)
                .Context(context_);
        Call(attach);
        break;
      }
      case 4: {
        stream_.Add(msm::MSM_CCMD_GEM_UPLOAD,
                    {first_resource_ + buffer, 0, 0, 4},
                    std::vector<uint8_t>{1, 2, 3, 4});
        break;
      }
      case 5:
        stream_.Add(msm::MSM_CCMD_WAIT_FENCE, {0, fence_});
        Flush();
        break;
      default:
        Submit();
    }
  }

  // GEM_SUBMIT with a buffer, its fence waited for or left to itself.
  void Submit() {
    const msm::drm_msm_gem_submit_bo bo = {
        .flags = msm::MSM_SUBMIT_BO_WRITE,
        .handle = first_resource_ + 1 + Below(kBuffers),
        .presumed = 0};
    stream_.Add(msm::MSM_CCMD_GEM_SUBMIT,
                {msm::MSM_PIPE_3D0, 0, 1, 0, ++fence_}, AsBytes(bo));
    Request request = TakeStream().Fence(fence_, kRing);
    if (Below(2) == 0) {
      Call(request);
    } else {
      driver_.Start(request.bytes(), sizeof(virtio_gpu::wire::CtrlHeader));
    }
  }

  void NewBuffer(uint32_t i) {
    const uint64_t iova = kIova + i * kPage;
    stream_.Add(msm::MSM_CCMD_GEM_NEW,
                {Low(iova), High(iova), kPage, 0, msm::MSM_BO_WC, i});
  }

  void CreateBlob(uint32_t i, uint64_t blob_id) {
    virtio_gpu::wire::ResourceCreateBlob blob = {};
    blob.resource_id = first_resource_ + i;
    blob.blob_mem = static_cast<uint32_t>(virtio_gpu::wire::BlobMem::kHost3d);
    blob.blob_flags = virtio_gpu::wire::kBlobFlagUseMappable |
                      virtio_gpu::wire::kBlobFlagUseShareable;
    blob.blob_id = blob_id;
    blob.size = kPage;
    Call(Request(Type::kResourceCreateBlob).Context(context_).With(blob));
  }

  Request OnResource(Type type, uint32_t i) {
    return virtio_gpu::ResourceRequest(type, first_resource_ + i)
        .Context(context_);
  }

  Request TakeStream() {
    const Request request =
        virtio_gpu::SubmitRequest(context_, stream_.bytes());
    stream_.bytes().clear();
    return request;
  }
  void Flush() { Call(TakeStream()); }

  void Call(const Request& request) {
    // Any answer will do: what it is about may have gone in a reset.
    driver_.Call(request.bytes(), sizeof(virtio_gpu::wire::CtrlHeader) + 8);
  }

  SharedDriver& driver_;
  const std::span<uint8_t> window_;
  const uint32_t context_;
  const uint32_t first_resource_;
  const uint64_t first_page_;
  std::minstd_rand random_;
  msm::CcmdStream stream_;
  uint32_t fence_ = 0;
};

TEST(StressTest, ProgramsAndResetsAllAtOnce) {
  const size_t fds = CountFds();
  {
    auto gpu = *simulator::SimulatedDevice::Create({});
    auto type = *msm::MsmContextType::Create(*gpu);
    const msm::Counters& counters = type->counters();
    std::vector<std::unique_ptr<virtio_gpu::ContextType>> types;
    types.push_back(std::move(type));
    virtio_gpu::VirtioGpu::Config config;
    config.window_bytes = uint64_t{16} << 20;
    const auto device = *virtio_gpu::VirtioGpu::Create(
        config, std::move(types),
        std::make_unique<virtio_gpu::HeadlessSink>(
            virtio_gpu::HeadlessSink::Keep::kCounts));
    SharedDriver driver(device.get());
    const std::span<uint8_t> window =
        device->shared_memory_regions().at(0).host;

    const auto end = std::chrono::steady_clock::now() + kDuration;
    std::atomic<bool> done = false;
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < kPrograms; ++i) {
      threads.emplace_back([&, i] {
        Programs programs(driver, window, i);
        while (!done) programs.RunOne();
      });
    }
    uint64_t resets = 0;
    while (std::chrono::steady_clock::now() < end) {
      if (driver.answers() < (resets + 1) * kCallsBetweenResets) {
        std::this_thread::yield();
        continue;
      }
      driver.Reset();
      ++resets;
    }
    done = true;
    for (std::thread& thread : threads) thread.join();
    driver.Reset();

    const virtio_gpu::Stats& stats = device->stats();
    EXPECT_GT(resets, 0u);
    EXPECT_GT(stats.contexts_created.value(), 50u);
    EXPECT_GT(counters.submits.value(), 100u);
    EXPECT_GT(counters.objects_imported.value(), 0u);
    EXPECT_GT(stats.fences_waited.value(), 0u);
    EXPECT_GT(stats.mapped_blobs.peak(), 1u);
    std::cout << driver.answers() << " answers, " << resets << " resets, "
              << stats.contexts_created.value() << " contexts, "
              << counters.submits.value() << " submits, "
              << stats.fences_waited.value() << " fences\n";

    EXPECT_EQ(stats.contexts.value(), 0u);
    EXPECT_EQ(stats.resources.value(), 0u);
    EXPECT_EQ(stats.mapped_blobs.value(), 0u);
    EXPECT_EQ(stats.fences_pending.value(), 0u);
    EXPECT_EQ(counters.files.value(), 0u);
    EXPECT_EQ(counters.objects.value(), 0u);
    EXPECT_EQ(counters.object_bytes.value(), 0u);
    EXPECT_EQ(counters.control_memories.value(), 0u);
  }
  EXPECT_EQ(CountFds(), fds);
}

}  // namespace
}  // namespace nacre
