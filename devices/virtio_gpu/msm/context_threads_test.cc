#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/page_size.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/testing/null_drm_device.h"
#include "gtest/gtest.h"

// Contexts share counters, objects that the GPU works on and the driver. While
// one is in a call that blocks, others go on, on other threads: for TSan.

namespace nacre::msm {
namespace {

constexpr int kThreads = 4;
constexpr int kContextsEach = 5;
constexpr int kRounds = 20;
constexpr uint64_t kIova = 1 << 20;

// Commands of each kind that share something.
void UseContext(Guest& guest) {
  for (int round = 0; round < kRounds; ++round) {
    const uint32_t buffer = *guest.NewBuffer(HostPageSize(), kIova);
    const uint8_t bytes[] = {1, 2, 3, 4};
    guest.batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, 0, sizeof(bytes)},
                      bytes);
    EXPECT_TRUE(guest
                    .Submit({.fence = static_cast<uint32_t>(round + 1),
                             .bos = {{MSM_SUBMIT_BO_READ, buffer, 0}},
                             .cmds = {}})
                    .ok());
    EXPECT_EQ(guest.CallForResult(MSM_CCMD_WAIT_FENCE, {0, 1}), 0);
    guest.CloseBuffer(buffer);
  }
}

TEST(ContextThreadsTest, ContextsWorkAtTheSameTime) {
  NullDrmDevice device(NullDrmDevice::Fences::kSignalled,
                       NullDrmDevice::Objects::kBusyAtFirst);
  const auto type = *MsmContextType::Create(device);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&type] {
      for (int c = 0; c < kContextsEach; ++c) {
        Guest guest(*type);
        // What tells it of its fences is on a thread of its own, too.
        std::thread reactor([observer = guest.context().fence_observer()] {
          for (int f = 0; f < kRounds; ++f) observer->OnFenceSignalled();
        });
        UseContext(guest);
        guest.DestroyContext();
        reactor.join();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  const Counters& counters = type->counters();
  constexpr uint64_t kTotal = kThreads * kContextsEach * kRounds;
  EXPECT_EQ(counters.ccmds[MSM_CCMD_GEM_NEW].value(), kTotal);
  EXPECT_EQ(counters.submits.value(), kTotal);
  EXPECT_EQ(counters.submit_bos.value(), kTotal);
  EXPECT_EQ(counters.upload_bytes.value(), 4 * kTotal);
  EXPECT_EQ(counters.async_errors.value(), 0u);
  EXPECT_EQ(counters.contexts.value(), 0u);
  // What the contexts left busy is closed by those that come later.
  for (uint64_t i = 0; i <= kTotal && counters.objects.value() != 0; ++i) {
    const Guest guest(*type);
  }
  EXPECT_EQ(counters.objects.value(), 0u);
  EXPECT_EQ(counters.object_bytes.value(), 0u);
  EXPECT_EQ(counters.files.value(), 0u);
}

TEST(ContextThreadsTest, ContextsSubmitAndLetGoOfWhatTheyShare) {
  constexpr uint32_t kBuffers = 100;
  NullDrmDevice device(NullDrmDevice::Fences::kSignalled);
  const auto type = *MsmContextType::Create(device);
  Guest maker(*type);
  std::vector<uint32_t> buffers;
  std::deque<Guest> guests;
  for (int i = 0; i < kThreads; ++i) guests.emplace_back(*type);
  for (uint32_t i = 0; i < kBuffers; ++i) {
    buffers.push_back(*maker.NewBuffer(HostPageSize(), 0, MSM_BO_WC,
                                       /*shareable=*/true));
    for (Guest& guest : guests) {
      ASSERT_TRUE(guest.context()
                      .AttachResource(buffers.back(), maker.blob(buffers[i]))
                      .ok());
    }
  }
  std::vector<std::thread> threads;
  for (Guest& guest : guests) {
    threads.emplace_back([&] {
      for (uint32_t i = 0; i < kBuffers; ++i) {
        EXPECT_TRUE(guest
                        .Submit({.fence = i + 1,
                                 .bos = {{MSM_SUBMIT_BO_WRITE, buffers[i], 0}},
                                 .cmds = {}})
                        .ok());
        guest.context().DetachResource(buffers[i]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(type->counters().submits.value(), kThreads * kBuffers);
  // What was kept, as somebody was in a GEM_SUBMIT.
  guests.clear();
  type->ReleaseIdle();
  EXPECT_EQ(type->counters().objects.value(), kBuffers);
}

// However many ask at once.
TEST(ContextThreadsTest, LimitsHoldForAllThreadsTogether) {
  constexpr uint64_t kFiles = 2;
  NullDrmDevice device;
  const uint64_t bytes = 3 * HostPageSize();
  const auto type =
      *MsmContextType::Create(device, {.limits = {.max_files = kFiles,
                                                  .max_object_bytes = bytes,
                                                  .max_control_memories = 1}});
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&type] {
      for (int round = 0; round < kRounds; ++round) {
        const auto context = type->CreateContext(1, "");
        if (!context.ok()) continue;
        const auto shmem = (*context)->CreateBlob({.resource_id = 1,
                                                   .blob_id = 0,
                                                   .size = kLargestPageSize,
                                                   .mappable = true});
        CcmdStream stream;
        const uint32_t size = static_cast<uint32_t>(HostPageSize());
        for (uint32_t blob = 2; blob < 5; ++blob) {
          stream.Add(MSM_CCMD_GEM_NEW, {0, 0, size, 0, MSM_BO_WC, blob});
        }
        (*context)->Submit(stream.bytes(), std::nullopt).IgnoreError();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Counters& counters = type->counters();
  EXPECT_LE(counters.files.peak(), kFiles);
  EXPECT_LE(counters.object_bytes.peak(), bytes);
  EXPECT_LE(counters.control_memories.peak(), 1u);
  EXPECT_EQ(counters.files.value(), 0u);
  EXPECT_EQ(counters.object_bytes.value(), 0u);
  EXPECT_EQ(counters.control_memories.value(), 0u);
}

}  // namespace
}  // namespace nacre::msm
