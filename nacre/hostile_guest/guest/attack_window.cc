// Attacks of the host-visible window, by both vCPUs.

#include "nacre/hostile_guest/guest/machine.h"
#include "nacre/hostile_guest/guest/msm.h"
#include "nacre/hostile_guest/guest/second_cpu.h"

namespace nacre::hostile_guest {
namespace {

using wire::Type;

constexpr uint64_t kPage = 4096;
constexpr uint32_t kPagesOfBlob = kBlobSize / kPage;
// Where the buffer may be, one behind the other and the control memory.
constexpr uint32_t kPlaces = 4;

// Stores and loads wherever a blob may be, but for each page's first word,
// which is the first vCPU's.
void TouchBlobs(void* context, Random& random) {
  const Gpu& gpu = *static_cast<Gpu*>(context);
  const uint64_t page =
      gpu.window() + kPage * random.Below((1 + kPlaces) * kPagesOfBlob);
  Store<uint64_t>(page + 8 + 8 * uint64_t{random.Below(511)}, random.Next());
  Load<uint64_t>(page + 8 + 8 * uint64_t{random.Below(511)});
  ++tally().second_cpu_writes;
}

// Until the second vCPU has been there again, however slow it is: what follows
// takes away memory, or gives it, that is in use.
void WaitForTouch() {
  const uint64_t writes = AddressOf(&tally().second_cpu_writes);
  const uint64_t before = Load<uint64_t>(writes);
  while (Load<uint64_t>(writes) == before) Pause();
}

}  // namespace

void AttackUnmappedWindow(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  for (int i = 0; i < 300; ++i) {
    attacker.Attempt();
    const uint64_t page =
        attacker.random.Below(static_cast<uint32_t>(gpu.window_size() / kPage));
    const uint64_t at =
        gpu.window() + page * kPage + 8 * uint64_t{attacker.random.Below(512)};
    Load<uint64_t>(at);
    Store<uint64_t>(at, attacker.random.Next());
  }
  MakeMsmContext(attacker);
  // What was there must not show through.
  HOSTILE_EXPECT(Load<uint64_t>(gpu.window() + kBlobSize + 8) == 0);
}

void AttackUnmapInUse(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  Random& random = attacker.random;
  const ResourceRequest unmap =
      OnResource(Type::kResourceUnmapBlob, kBufferResource);
  const ResourceRequest unref =
      OnResource(Type::kResourceUnref, kBufferResource);
  const MapRequest overlapping = Map(kBufferResource, 0);
  const SecondCpu second(TouchBlobs, &gpu, random.Next());
  for (int round = 0; round < 4; ++round) {
    MakeMsmContext(attacker);
    uint64_t place = kBlobSize;
    for (int i = 0; i < 15; ++i) {
      const uint64_t word = gpu.window() + kPage * random.Below(kPagesOfBlob);
      const uint64_t mark = random.Next();
      Store<uint64_t>(word + place, mark);
      WaitForTouch();
      attacker.Call(&unmap, sizeof(unmap));
      // Nobody's memory now, and nothing of the buffer's.
      HOSTILE_EXPECT(Load<uint64_t>(word + place) != mark);
      Store<uint64_t>(word + place, ~mark);
      WaitForTouch();
      attacker.Call(&unmap, sizeof(unmap));
      attacker.Call(&overlapping, sizeof(overlapping));
      const MapRequest wild = Map(kBufferResource, random.Wild());
      if (attacker.Call(&wild, sizeof(wild)) ==
          static_cast<uint32_t>(Type::kOkMapInfo)) {
        attacker.Call(&unmap, sizeof(unmap));
      }
      place = kBlobSize * (1 + random.Below(kPlaces));
      const MapRequest again = Map(kBufferResource, place);
      attacker.MustCall(&again, sizeof(again));
      HOSTILE_EXPECT(Load<uint64_t>(word + place) == mark);
    }
    // With the mapping in place: its resource goes, or the device is reset.
    const uint64_t word = gpu.window() + place;
    const uint64_t mark = random.Next();
    Store<uint64_t>(word, mark);
    WaitForTouch();
    if (round % 2 == 0) {
      attacker.MustCall(&unref, sizeof(unref));
      HOSTILE_EXPECT(Load<uint64_t>(word) != mark);
    }
    HOSTILE_EXPECT(gpu.Start());
    HOSTILE_EXPECT(Load<uint64_t>(word) != mark);
  }
}

}  // namespace nacre::hostile_guest
