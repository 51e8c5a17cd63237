#ifndef NACRE_DEVICES_VIRTIO_GPU_GPU_RELIEF_TEST_BASE_H_
#define NACRE_DEVICES_VIRTIO_GPU_GPU_RELIEF_TEST_BASE_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

namespace nacre::virtio_gpu {

// A guest with contexts whose calls block.
class GpuReliefTest : public testing::Test {
 protected:
  using Type = wire::Type;

  static constexpr uint64_t kPage = kLargestPageSize;
  static constexpr uint32_t kBlocked = 1;
  static constexpr uint32_t kOther = 2;

  GpuReliefTest(std::initializer_list<uint32_t> contexts = {kBlocked, kOther},
                const VirtioGpu::Config& config = GpuDriver::DefaultConfig())
      : g_(config) {
    for (const uint32_t id : contexts) g_.CreateContext(id);
  }
  ~GpuReliefTest() override {
    for (uint32_t id = 1; id < 100; ++id) g_.gpu().Unblock(id);
  }

  // A command that FakeGpu writes down.
  static Request Tagged(uint32_t ctx_id, uint32_t tag) {
    const FakeGpu::FakeCommand nop = {FakeGpu::Op::kNop, tag};
    return SubmitRequest(ctx_id, AsBytes(nop));
  }
  std::vector<uint32_t> TagsOf(uint32_t ctx_id) {
    std::vector<uint32_t> tags;
    const auto contexts = g_.gpu().contexts();
    for (const auto& command : contexts.at(ctx_id).commands) {
      tags.push_back(command.ring);
    }
    return tags;
  }
  // A call into kBlocked that blocks, on its own.
  void BlockOne() {
    g_.gpu().Block(kBlocked);
    g_.Start(Tagged(kBlocked, 1));
    g_.gpu().WaitBlocked(1);
  }
  // Of fence 11 on the command that blocks, 12 on work behind it, and 13.
  void ExpectFencesInOrder() {
    EXPECT_TRUE(g_.Idle());
    g_.gpu().Unblock(kBlocked);
    EXPECT_EQ(g_.WaitFenceId(), 11u);
    g_.gpu().WaitFences(1);
    EXPECT_TRUE(g_.Idle());
    g_.gpu().SignalFence(0);
    EXPECT_EQ(g_.WaitFenceId(), 12u);
    EXPECT_EQ(g_.WaitFenceId(), 13u);
  }
  // Answers so far outstanding, in the order in which they arrive.
  std::vector<Type> WaitAnswers(size_t count) {
    std::vector<Type> types;
    while (types.size() < count) {
      const auto used = g_.driver().WaitUsed(wire::kControlQueue);
      const auto header =
          ByteReader(used.response).ReadZeroExtended<wire::CtrlHeader>();
      types.push_back(static_cast<Type>(header.type));
    }
    return types;
  }

  GpuDriver g_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_GPU_RELIEF_TEST_BASE_H_
