// Attacks of the queues: descriptors, indexes, places.

#include <initializer_list>

#include "nacre/hostile_guest/guest/attacks.h"
#include "nacre/hostile_guest/guest/machine.h"

namespace nacre::hostile_guest {
namespace {

using virtio::kDescriptorIndirect;
using virtio::kDescriptorNext;
using virtio::kDescriptorWrite;

// Kicks, waits and mends.
Ending Finish(Attacker& attacker, uint16_t queue = 0) {
  attacker.gpu.Kick(queue);
  const Ending ending = attacker.gpu.Wait(queue);
  attacker.Note(ending);
  attacker.Mend();
  return ending;
}

// Makes `head` available; the device must call it broken.
void MustBreak(Attacker& attacker, uint16_t head, uint16_t queue = 0) {
  attacker.Attempt();
  attacker.gpu.MakeAvailable(head, queue);
  HOSTILE_EXPECT(Finish(attacker, queue) == Ending::kBroken);
}

uint16_t WildFlags(Random& random) {
  return static_cast<uint16_t>(random.Below(8));
}

}  // namespace

void AttackDescriptorLoop(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  const uint64_t request = gpu.Put(&kGetDisplayInfo, sizeof(kGetDisplayInfo));
  for (const uint16_t queue : {wire::kControlQueue, wire::kCursorQueue}) {
    // At itself; two that point at each other; the whole table; with no bytes.
    for (const uint16_t length : {uint16_t{1}, uint16_t{2}, Rings::kSize}) {
      for (const uint32_t bytes : {0u, 4u}) {
        for (uint16_t i = 0; i < length; ++i) {
          gpu.Describe(i, request, bytes, kDescriptorNext,
                       static_cast<uint16_t>((i + 1) % length), queue);
        }
        MustBreak(attacker, 0, queue);
      }
    }
    gpu.Describe(0, request, 4, kDescriptorNext, Rings::kSize, queue);
    MustBreak(attacker, 0, queue);
  }
}

void AttackWildDescriptor(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  Random& random = attacker.random;
  const uint64_t places[] = {
      gpu.registers(),         gpu.window(),
      EcamOf(kDevice),         kMessageAddress,
      AddressOf(&gpu.rings()),  // The rings themselves.
      0 - uint64_t{8},         uint64_t{1} << 45,
  };
  for (int i = 0; i < 60; ++i) {
    attacker.Attempt();
    const uint32_t place = random.Below(2 * sizeof(places) / sizeof(places[0]));
    const uint64_t address = place < sizeof(places) / sizeof(places[0])
                                 ? places[place]
                                 : kRamStart + random.Wild();
    const uint32_t length = random.Below(2) == 0 ? 24 : random.WildWord();
    switch (random.Below(3)) {
      case 0:  // The request there.
        gpu.Describe(0, address, length, kDescriptorNext, 1);
        gpu.Describe(1, AddressOf(gpu.answer()), 512, kDescriptorWrite, 0);
        break;
      case 1:  // The answer there; not over this guest's own code.
        gpu.Describe(0, gpu.Put(&kGetDisplayInfo, sizeof(kGetDisplayInfo)),
                     sizeof(kGetDisplayInfo), kDescriptorNext, 1);
        gpu.Describe(1, InRam(address) ? AddressOf(gpu.answer()) : address,
                     length, kDescriptorWrite, 0);
        break;
      default:  // The answer first (2.7.4.2).
        gpu.Describe(0, AddressOf(gpu.answer()), 24,
                     kDescriptorWrite | kDescriptorNext, 1);
        gpu.Describe(1, address, length, 0, 0);
    }
    gpu.MakeAvailable(0);
    Finish(attacker);
  }
}

void AttackWildIndirect(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  Random& random = attacker.random;
  for (int i = 0; i < 60; ++i) {
    attacker.Attempt();
    virtio::Descriptor table[4];
    for (virtio::Descriptor& entry : table) {
      entry = {.address = AddressOf(gpu.answer()),
               .length = random.Below(64),
               .flags = WildFlags(random),
               .next = static_cast<uint16_t>(random.Below(6))};
    }
    const uint64_t at = gpu.Put(table, sizeof(table));
    const bool wild = random.Below(4) == 0;
    gpu.Describe(0, wild ? kRamStart + random.Wild() : at,
                 random.Below(2) == 0 ? sizeof(table) : random.WildWord(),
                 kDescriptorIndirect | WildFlags(random), 0);
    gpu.MakeAvailable(0);
    Finish(attacker);
  }
}

void AttackWildHead(Attacker& attacker) {
  for (int i = 0; i < 30; ++i) {
    MustBreak(attacker, static_cast<uint16_t>(
                            Rings::kSize +
                            attacker.random.Below(0x10000 - Rings::kSize)));
  }
}

void AttackAvailableJump(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  for (int i = 0; i < 30; ++i) {
    attacker.Attempt();
    // After a request that is served, so that it is not the first index.
    HOSTILE_EXPECT(gpu.Call(&kGetDisplayInfo, sizeof(kGetDisplayInfo)) ==
                   static_cast<uint32_t>(wire::Type::kOkDisplayInfo));
    const uint16_t index = Load<uint16_t>(AddressOf(&gpu.rings().used.index));
    const uint32_t jump =
        Rings::kSize + 1 + attacker.random.Below(0xffff - Rings::kSize);
    Store<uint16_t>(AddressOf(&gpu.rings().available.index),
                    static_cast<uint16_t>(index + jump));
    Fence();
    gpu.Kick();
    // The driver's own count says that nothing is out: only the status tells.
    Ending ending = Ending::kTimedOut;
    for (int look = 0; look < 100000 && ending != Ending::kBroken; ++look) {
      if (gpu.broken()) ending = Ending::kBroken;
    }
    HOSTILE_EXPECT(ending == Ending::kBroken);
    attacker.Note(ending);
    attacker.Mend();
  }
}

void AttackRingsElsewhere(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  constexpr uint64_t kParts[] = {kQueueDesc, kQueueDriver, kQueueDevice};
  constexpr uint8_t kUpToFeatures = 1 | 2 | 8;
  const uint64_t places[] = {
      gpu.window(),
      gpu.registers(),
      EcamOf(kDevice),
      kRamStart + kRamSize - 16,
      uint64_t{1} << 40,
      0 - uint64_t{16},
      kRamStart + kRamSize - 15,
      AddressOf(&gpu.rings()),
  };
  for (const uint64_t part : kParts) {
    for (const uint64_t place : places) {
      attacker.Attempt();
      HOSTILE_EXPECT(gpu.Start());
      // As Start, with one part of the queue elsewhere.
      HOSTILE_EXPECT(gpu.Reset());
      Store<uint8_t>(gpu.common() + kDeviceStatus, 1 | 2);
      Store<uint32_t>(gpu.common() + kDriverFeatureSelect, 1);
      Store<uint32_t>(gpu.common() + kDriverFeature, 1);
      Store<uint8_t>(gpu.common() + kDeviceStatus, kUpToFeatures);
      Store<uint16_t>(gpu.common() + kQueueSelect, 0);
      Store<uint16_t>(gpu.common() + kQueueSize, Rings::kSize);
      Store<uint64_t>(gpu.common() + kQueueDesc,
                      AddressOf(gpu.rings().descriptors));
      Store<uint64_t>(gpu.common() + kQueueDriver,
                      AddressOf(&gpu.rings().available));
      Store<uint64_t>(gpu.common() + kQueueDevice,
                      AddressOf(&gpu.rings().used));
      Store<uint64_t>(gpu.common() + part, place);
      Store<uint16_t>(gpu.common() + kQueueEnable, 1);
      Store<uint8_t>(gpu.common() + kDeviceStatus, kUpToFeatures | 4);
      gpu.Kick();
      attacker.Note(gpu.broken() ? Ending::kBroken : Ending::kAnswered);
    }
  }
}

}  // namespace nacre::hostile_guest
