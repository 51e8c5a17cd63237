#include <dirent.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio_gpu/gpu_relief_test_base.h"
#include "devices/virtio_gpu/relay.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

// Contexts whose calls block, and what others and the guest notice of it.
namespace nacre::virtio_gpu {
namespace {

size_t Threads() {
  DIR* const directory = opendir("/proc/self/task");
  EXPECT_NE(directory, nullptr);
  size_t count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

TEST_F(GpuReliefTest, AnotherContextsCommandsAndFencesComplete) {
  BlockOne();
  EXPECT_EQ(g_.Call(Tagged(kOther, 1)), Type::kOkNodata);
  g_.Start(g_.Work(kOther, 1, 12));
  g_.gpu().WaitFences(1);
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 12u);
  EXPECT_EQ(g_.Call(Request(Type::kGetDisplayInfo)), Type::kOkDisplayInfo);
  EXPECT_EQ(TagsOf(kBlocked), std::vector<uint32_t>());
  g_.gpu().Unblock(kBlocked);
  EXPECT_EQ(WaitAnswers(1), std::vector<Type>({Type::kOkNodata}));
  EXPECT_EQ(TagsOf(kBlocked), std::vector<uint32_t>({1}));
  EXPECT_GE(g_.stats().reliefs.value(), 1u);
}

TEST_F(GpuReliefTest, ItsOwnLaterCommandsFollowInOrder) {
  BlockOne();
  for (uint32_t tag = 2; tag <= 20; ++tag) {
    g_.Submit(Tagged(kBlocked, tag));
    g_.Submit(Tagged(kOther, tag));
  }
  g_.Kick();
  WaitAnswers(19);
  EXPECT_EQ(TagsOf(kOther).size(), 19u);
  EXPECT_EQ(TagsOf(kBlocked).size(), 0u);
  g_.gpu().Unblock(kBlocked);
  WaitAnswers(20);
  const std::vector<uint32_t> tags = TagsOf(kBlocked);
  ASSERT_EQ(tags.size(), 20u);
  for (uint32_t i = 0; i < 20; ++i) EXPECT_EQ(tags[i], i + 1);
  EXPECT_EQ(g_.stats().parked_commands.value(), 19u);
}

TEST_F(GpuReliefTest, FencesThatItHasComplete) {
  g_.Start(g_.Work(kBlocked, 1, 11));
  g_.gpu().WaitFences(1);
  BlockOne();
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
}

TEST_F(GpuReliefTest, FencesOfItsRingsKeepTheirOrder) {
  g_.gpu().Block(kBlocked);
  g_.Start(Tagged(kBlocked, 1).Fence(11, 1));
  g_.gpu().WaitBlocked(1);
  g_.Submit(g_.Work(kBlocked, 1, 12));
  g_.Submit(Tagged(kBlocked, 3).Fence(13, 1));
  g_.Submit(Tagged(kOther, 1).Fence(14, 1));
  g_.Kick();
  EXPECT_EQ(g_.WaitFenceId(), 14u);
  ExpectFencesInOrder();
}

// A fence of the global timeline says that all before it is done (5.7.6.7): it
// is executed, but has to wait for the one that blocks and the ones that wait.
TEST_F(GpuReliefTest, FencesOfTheGlobalTimelineKeepTheirOrder) {
  g_.gpu().Block(kBlocked);
  g_.Start(Tagged(kBlocked, 1).Fence(11));
  g_.gpu().WaitBlocked(1);
  const FakeGpu::FakeCommand work = {FakeGpu::Op::kWork, 0};
  g_.Submit(SubmitRequest(kBlocked, AsBytes(work)).Fence(12));
  g_.Submit(Tagged(kOther, 1).Fence(13));
  g_.Submit(Tagged(kOther, 2).Fence(14, 1));
  g_.Kick();
  EXPECT_EQ(g_.WaitFenceId(), 14u);
  EXPECT_EQ(TagsOf(kOther), std::vector<uint32_t>({1, 2}));
  ExpectFencesInOrder();
}

TEST_F(GpuReliefTest, WhatConcernsItsResourcesWaitsAndOthersDoNot) {
  g_.CreateHostBlob(kBlocked, 5, kPage);
  g_.CreateHostBlob(kOther, 6, kPage);
  BlockOne();
  g_.Submit(MapRequest(5, 0));
  g_.Submit(ResourceRequest(Type::kResourceUnmapBlob, 5));
  g_.Submit(ResourceRequest(Type::kResourceUnref, 5));
  g_.Submit(MapRequest(6, kPage));
  g_.Submit(HostBlobRequest(kOther, 7, kPage));
  g_.Submit(MapRequest(7, 2 * kPage));
  g_.Submit(ResourceRequest(Type::kResourceUnref, 6));
  g_.Kick();
  EXPECT_EQ(WaitAnswers(4),
            std::vector<Type>({Type::kOkMapInfo, Type::kOkNodata,
                               Type::kOkMapInfo, Type::kOkNodata}));
  EXPECT_EQ(g_.stats().resources.value(), 2u);
  g_.gpu().Unblock(kBlocked);
  EXPECT_EQ(WaitAnswers(4),
            std::vector<Type>({Type::kOkNodata, Type::kOkMapInfo,
                               Type::kOkNodata, Type::kOkNodata}));
  EXPECT_EQ(g_.stats().resources.value(), 1u);
  EXPECT_EQ(g_.gpu().live_blobs(), 1);
}

// A buffer of its own, made and mapped while it blocks, as Linux does at once:
// the map calls into a context that it does not name.
TEST_F(GpuReliefTest, AResourceMadeMeanwhileIsMappedBehindItsCreation) {
  BlockOne();
  g_.Submit(HostBlobRequest(kBlocked, 5, kPage));
  g_.Submit(MapRequest(5, 0));
  g_.Submit(Request(Type::kCtxAttachResource)
                .Context(kOther)
                .With(wire::ResourceId{5, 0}));
  g_.Submit(ResourceRequest(Type::kResourceUnref, 5));
  g_.Kick();
  EXPECT_EQ(g_.Call(Request(Type::kGetDisplayInfo)), Type::kOkDisplayInfo);
  g_.gpu().Unblock(kBlocked);
  EXPECT_EQ(
      WaitAnswers(5),
      std::vector<Type>({Type::kOkNodata, Type::kOkNodata, Type::kOkMapInfo,
                         Type::kOkNodata, Type::kOkNodata}));
  EXPECT_EQ(g_.gpu().live_blobs(), 0);
}

// What another context has of a resource is not the blocked one's.
TEST_F(GpuReliefTest, DetachingWhatItMadeFromAnotherContextWorks) {
  g_.CreateHostBlob(kBlocked, 5, kPage);
  const auto request = [](Type type) {
    return Request(type).Context(kOther).With(wire::ResourceId{5, 0});
  };
  ASSERT_EQ(g_.Call(request(Type::kCtxAttachResource)), Type::kOkNodata);
  BlockOne();
  EXPECT_EQ(g_.Call(request(Type::kCtxDetachResource)), Type::kOkNodata);
  // Attaching asks the one that made it.
  g_.Start(request(Type::kCtxAttachResource));
  EXPECT_EQ(g_.Call(Request(Type::kGetDisplayInfo)), Type::kOkDisplayInfo);
  EXPECT_EQ(g_.gpu().contexts()[kOther].resources.size(), 0u);
}

// A compositor shows what a program was about to draw: the host's implicit
// synchronization knows only the order in which submissions arrive.
TEST_F(GpuReliefTest, SubmissionsOfContextsThatShareABufferKeepTheirOrder) {
  constexpr uint32_t kThird = 3;
  g_.CreateContext(kThird);
  g_.CreateHostBlob(kBlocked, 5, kPage);
  const auto request = [](Type type) {
    return Request(type).Context(kOther).With(wire::ResourceId{5, 0});
  };
  ASSERT_EQ(g_.Call(request(Type::kCtxAttachResource)), Type::kOkNodata);
  BlockOne();
  g_.Submit(Tagged(kOther, 1));
  g_.Submit(Tagged(kThird, 1));
  g_.Kick();
  WaitAnswers(1);
  EXPECT_EQ(TagsOf(kThird), std::vector<uint32_t>({1}));
  EXPECT_EQ(TagsOf(kOther), std::vector<uint32_t>());
  g_.gpu().Unblock(kBlocked);
  WaitAnswers(2);
  EXPECT_EQ(TagsOf(kOther), std::vector<uint32_t>({1}));
  // No longer shared, no longer held up.
  ASSERT_EQ(g_.Call(request(Type::kCtxDetachResource)), Type::kOkNodata);
  BlockOne();
  EXPECT_EQ(g_.Call(Tagged(kOther, 2)), Type::kOkNodata);
}

TEST_F(GpuReliefTest, EveryCallMayBlock) {
  const std::vector<Request> requests = {
      HostBlobRequest(kBlocked, 5, kPage),
      MapRequest(5, 0),
      Tagged(kBlocked, 1),
      Request(Type::kCtxDetachResource)
          .Context(kBlocked)
          .With(wire::ResourceId{5, 0}),
      Request(Type::kCtxAttachResource)
          .Context(kBlocked)
          .With(wire::ResourceId{5, 0}),
      ResourceRequest(Type::kResourceUnref, 5),
      Request(Type::kCtxDestroy).Context(kBlocked),
      CreateContextRequest(kBlocked, FakeGpu::kCapsetId)};
  for (const Request& request : requests) {
    g_.gpu().Block(kBlocked);
    g_.Start(request);
    g_.gpu().WaitBlocked(1);
    EXPECT_EQ(g_.Call(Tagged(kOther, 1)), Type::kOkNodata);
    g_.gpu().Unblock(kBlocked);
    WaitAnswers(1);
  }
  EXPECT_EQ(g_.stats().total_errors(), 0u);
  EXPECT_EQ(g_.gpu().live_blobs(), 0);
}

// A text console or a desktop that the guest's CPUs draw, and one program.
class GpuReliefOneContextTest : public GpuReliefTest {
 protected:
  GpuReliefOneContextTest() : GpuReliefTest({kBlocked}) {}
};

TEST_F(GpuReliefOneContextTest, TheDisplayGoesOn) {
  BlockOne();
  EXPECT_EQ(g_.Call(Request(Type::kGetDisplayInfo)), Type::kOkDisplayInfo);
  EXPECT_EQ(TagsOf(kBlocked), std::vector<uint32_t>());
}

TEST_F(GpuReliefOneContextTest, AnotherOneIsMade) {
  BlockOne();
  EXPECT_EQ(g_.Call(CreateContextRequest(kOther, FakeGpu::kCapsetId)),
            Type::kOkNodata);
  EXPECT_EQ(g_.Call(Tagged(kOther, 1)), Type::kOkNodata);
}

// The driver may take long to open, the first time above all.
TEST_F(GpuReliefOneContextTest, TheDisplayGoesOnWhileItIsMade) {
  ASSERT_EQ(g_.Call(Request(Type::kCtxDestroy).Context(kBlocked)),
            Type::kOkNodata);
  g_.gpu().Block(kBlocked);
  g_.Start(CreateContextRequest(kBlocked, FakeGpu::kCapsetId));
  g_.gpu().WaitBlocked(1);
  EXPECT_EQ(g_.Call(Request(Type::kGetDisplayInfo)), Type::kOkDisplayInfo);
}

TEST_F(GpuReliefTest, ItIsDestroyedAndMadeAnewInOrder) {
  BlockOne();
  g_.Submit(Tagged(kBlocked, 2));
  g_.Submit(Request(Type::kCtxDestroy).Context(kBlocked).Fence(11, 1));
  g_.Submit(CreateContextRequest(kBlocked, FakeGpu::kCapsetId));
  g_.Submit(Tagged(kBlocked, 3).Fence(12, 1));
  g_.Kick();
  EXPECT_EQ(g_.Call(Tagged(kOther, 1)), Type::kOkNodata);
  g_.gpu().Unblock(kBlocked);
  WaitAnswers(5);
  EXPECT_EQ(g_.stats().total_errors(), 0u);
  EXPECT_EQ(TagsOf(kBlocked), std::vector<uint32_t>({3}));
}

TEST_F(GpuReliefTest, AsManyMayBlockAsThereAreThreads) {
  constexpr uint32_t kLast = Relay::kMaxThreads + 2;
  for (uint32_t id = 3; id <= kLast; ++id) g_.CreateContext(id);
  const size_t threads = Threads();
  size_t answers = 0;
  for (uint32_t id = 1; id < Relay::kMaxThreads; ++id) {
    g_.gpu().Block(id);
    g_.Start(Tagged(id, 1));
    g_.gpu().WaitBlocked(id);
    ++answers;
  }
  EXPECT_EQ(g_.Call(Tagged(kLast, 1)), Type::kOkNodata);
  EXPECT_LE(Threads(), threads + Relay::kMaxThreads - 2);
  // The last thread blocks, too: the rest waits for any of them.
  g_.gpu().Block(Relay::kMaxThreads);
  g_.Submit(Tagged(Relay::kMaxThreads, 1));
  g_.Submit(Tagged(kLast, 2));
  g_.Kick();
  g_.gpu().WaitBlocked(Relay::kMaxThreads);
  EXPECT_EQ(TagsOf(kLast), std::vector<uint32_t>({1}));
  g_.gpu().Unblock(3);
  WaitAnswers(2);
  EXPECT_EQ(TagsOf(kLast), std::vector<uint32_t>({1, 2}));
  for (uint32_t id = 1; id <= Relay::kMaxThreads; ++id) g_.gpu().Unblock(id);
  WaitAnswers(answers - 1);
  // Those in excess end.
  while (Threads() != threads) std::this_thread::yield();
}

TEST_F(GpuReliefTest, AResetWaitsForTheCallsAndForgetsWhatWaitsForThem) {
  g_.CreateContext(3);
  g_.CreateHostBlob(kBlocked, 5, kPage);
  BlockOne();
  g_.gpu().Block(3);
  g_.Start(Tagged(3, 1).Fence(11));
  g_.gpu().WaitBlocked(2);
  for (uint64_t id = 20; id < 40; ++id) {
    g_.Submit(Tagged(kBlocked, 2).Fence(id));
    g_.Submit(ResourceRequest(Type::kResourceUnref, 5));
  }
  g_.Kick();
  EXPECT_EQ(g_.Call(Tagged(kOther, 1)), Type::kOkNodata);
  std::thread unblock([this] {
    g_.gpu().Unblock(kBlocked);
    g_.gpu().Unblock(3);
  });
  g_.driver().Reset();
  unblock.join();
  EXPECT_TRUE(g_.gpu().contexts().empty());
  EXPECT_EQ(g_.stats().fences_pending.value(), 0u);
  ASSERT_TRUE(g_.driver().Start().ok());
  g_.CreateContext(kBlocked);
  EXPECT_EQ(g_.Call(Tagged(kBlocked, 1).Fence(50)), Type::kOkNodata);
}

// Long bodies that wait are bounded; nothing is lost at the bound. Nor where
// two calls return at a time, and their wake-ups of the sleeping leader are
// one.
TEST_F(GpuReliefTest, BeyondItsShareOfMemoryTheGuestWaits) {
  constexpr uint32_t kEntries = 65536;
  constexpr int kLong = 6;  // Of 1 MiB each.
  for (uint32_t round = 0; round < 8; ++round) {
    const uint32_t resource = 5 + round;
    const uint64_t parked = g_.stats().parked_commands.value();
    BlockOne();
    g_.gpu().Block(kOther);
    g_.Start(Tagged(kOther, 1));
    g_.gpu().WaitBlocked(2);
    Request attach(Type::kResourceAttachBacking);
    attach.With(wire::ResourceAttachBacking{resource, kEntries});
    for (uint32_t i = 0; i < kEntries; ++i) {
      attach.With(wire::MemEntry{virtio::GuestRam::kBase, 1, 0});
    }
    g_.Submit(HostBlobRequest(kBlocked, resource, kPage));
    for (int i = 0; i < kLong; ++i) g_.Submit(attach);
    g_.Kick();
    while (g_.stats().parked_commands.value() < parked + 1 + 4) {
      std::this_thread::yield();
    }
    g_.gpu().Unblock(kOther);
    g_.gpu().Unblock(kBlocked);
    WaitAnswers(2 + 1 + kLong);
  }
  EXPECT_EQ(TagsOf(kOther).size(), 8u);
}

// Nobody is handed anything while no call blocks: the threads are as many as
// with one context, and none of the others executes. A loaded machine may take
// the CPU from the leader within a call for two ticks, so one round must do.
TEST_F(GpuReliefTest, WithoutACallThatBlocksNothingIsHandedOver) {
  const size_t threads = Threads();
  for (uint32_t id = 3; id <= 64; ++id) g_.CreateContext(id);
  bool one_round = false;
  for (int round = 0; round < 20 && !one_round; ++round) {
    const uint64_t before = g_.stats().reliefs.value();
    for (uint32_t id = 1; id <= 64; ++id) {
      for (uint8_t ring = 1; ring <= 3; ++ring) {
        g_.Submit(SubmitRequest(id, {}).Fence(id, ring));
      }
    }
    g_.Kick();
    WaitAnswers(192);
    one_round = g_.stats().reliefs.value() == before;
  }
  EXPECT_TRUE(one_round);
  while (Threads() != threads) std::this_thread::yield();
}

// Calls block and return at random moments; every context sees its commands in
// order, everything is answered, and no context is called twice at a time
// (which FakeGpu CHECKs).
TEST_F(GpuReliefTest, RandomCallsBlock) {
  constexpr uint32_t kContexts = 6;
  constexpr int kRounds = 60;
  for (uint32_t id = 3; id <= kContexts; ++id) g_.CreateContext(id);
  std::mt19937 random(7);
  std::vector<uint32_t> sent(kContexts + 1);
  for (int round = 0; round < kRounds; ++round) {
    const uint32_t blocked = 1 + random() % kContexts;
    g_.gpu().Block(blocked);
    size_t count = 0;
    for (uint32_t i = 0; i < 30; ++i, ++count) {
      const uint32_t id = 1 + random() % kContexts;
      const uint32_t resource = 1 + random() % 8;
      switch (random() % 8) {
        case 0:
          g_.Submit(HostBlobRequest(id, resource, kPage));
          break;
        case 1:
          g_.Submit(ResourceRequest(Type::kResourceUnref, resource));
          break;
        case 2:
          g_.Submit(MapRequest(resource, (resource - 1) * kPage));
          break;
        case 3:
          g_.Submit(Request(random() % 2 == 0 ? Type::kCtxAttachResource
                                              : Type::kCtxDetachResource)
                        .Context(id)
                        .With(wire::ResourceId{resource, 0}));
          break;
        case 4:
          g_.Submit(Request(Type::kGetDisplayInfo).Fence(i));
          break;
        default:
          g_.Submit(Tagged(id, ++sent[id]).Fence(i, id % 3));
      }
    }
    g_.Kick();
    std::thread unblock([this, blocked, round] {
      const auto until =
          std::chrono::steady_clock::now() + (round % 4) * Relay::kTick;
      while (std::chrono::steady_clock::now() < until) {
        std::this_thread::yield();
      }
      g_.gpu().Unblock(blocked);
    });
    WaitAnswers(count);
    unblock.join();
  }
  for (uint32_t id = 1; id <= kContexts; ++id) {
    const std::vector<uint32_t> tags = TagsOf(id);
    ASSERT_EQ(tags.size(), sent[id]);
    for (uint32_t i = 0; i < sent[id]; ++i) EXPECT_EQ(tags[i], i + 1);
  }
}

}  // namespace
}  // namespace nacre::virtio_gpu
