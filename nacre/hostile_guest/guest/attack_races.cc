// Attacks in which the second vCPU rewrites what the device is reading: a value
// that is checked and then read again is not the one that was checked.

#include "nacre/hostile_guest/guest/machine.h"
#include "nacre/hostile_guest/guest/msm.h"
#include "nacre/hostile_guest/guest/second_cpu.h"

namespace nacre::hostile_guest {
namespace {

using virtio::kDescriptorNext;
using virtio::kDescriptorWrite;

// Where answers may go though a descriptor was rewritten: not over this
// program, which would be the end of the guest and of nothing else.
alignas(4096) uint8_t arena[0x10000];

void Write32(uint64_t address, uint32_t value) {
  Store(address, value);
  ++tally().second_cpu_writes;
}

// A low half of an address: in the arena or beyond RAM.
uint32_t WildLowAddress(Random& random) {
  if (random.Below(2) == 0) {
    return static_cast<uint32_t>(AddressOf(arena)) +
           random.Below(sizeof(arena) - 4096);
  }
  return random.WildWord() | static_cast<uint32_t>(kRamSize);
}

void RewriteRings(void* context, Random& random) {
  Rings& rings = static_cast<Gpu*>(context)->rings();
  const uint64_t descriptor = AddressOf(&rings.descriptors[random.Below(4)]);
  switch (random.Below(8)) {
    case 0:
      return Write32(descriptor, WildLowAddress(random));
    case 1:
      return Write32(descriptor + 4, random.Below(4) == 0 ? 1 : 0);
    case 2:
      return Write32(descriptor + 8, random.Below(2) == 0 ? random.Below(64)
                                                          : random.WildWord());
    case 3:
    case 4:  // Flags and next, without indirect tables.
      return Write32(descriptor + 12, random.Below(4) | random.Below(18) << 16);
    case 5:
      return Write32(AddressOf(&rings.available.heads[2 * random.Below(8)]),
                     random.Below(4) == 0 ? random.WildWord() : 0);
    case 6:
      return Write32(AddressOf(&rings.used.elements[random.Below(16)]),
                     random.WildWord());
    default:
      return;
  }
}

struct Bytes {
  uint64_t address;
  uint32_t size;
};

void RewriteBytes(void* context, Random& random) {
  const Bytes& bytes = *static_cast<Bytes*>(context);
  Write32(bytes.address + 4 * uint64_t{random.Below(bytes.size / 4)},
          random.Below(2) == 0 ? random.Below(16) : random.WildWord());
}

void AccessRegisters(void* context, Random& random) {
  const Gpu& gpu = *static_cast<Gpu*>(context);
  const uint64_t at = gpu.registers() + 4 * uint64_t{random.Below(0x2000)};
  const uint64_t common = gpu.common() + 2 * uint64_t{random.Below(32)};
  // What the first vCPU does not depend on when it starts the driver anew.
  constexpr uint64_t kWritten[] = {kDeviceFeatureSelect, kConfigVector, 18};
  switch (random.Below(6)) {
    case 0:
      Load<uint32_t>(at);
      return;
    case 1:
      Store<uint16_t>(gpu.common() + kWritten[random.Below(3)],
                      static_cast<uint16_t>(random.Wild()));
      return;
    case 2:
      Store<uint16_t>(gpu.notify() + 4 * uint64_t{random.Below(4)}, 0);
      return;
    case 3:
      Store<uint32_t>(gpu.msix_table() + 16 * uint64_t{random.Below(3)} + 12,
                      random.Below(2));
      return;
    case 4:
      Load<uint32_t>(EcamOf(kDevice) + 4 * uint64_t{random.Below(64)});
      return;
    default:
      Load<uint16_t>(common);
  }
}

void ResetNow(void* context, Random& random) {
  const Gpu& gpu = *static_cast<Gpu*>(context);
  // Rarely, so that there is something to reset.
  if (random.Below(64) == 0) {
    Write32(gpu.common() + kDeviceStatus, 0);  // Too wide: to be ignored.
    Store<uint8_t>(gpu.common() + kDeviceStatus, 0);
  }
}

// Has the device look, without hope for an answer; the ring may be any by now.
void KickAndGlance(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  const uint16_t before = Load<uint16_t>(AddressOf(&gpu.rings().used.index));
  gpu.Kick();
  for (int look = 0; look < 20; ++look) {
    if (gpu.broken()) return attacker.Note(Ending::kBroken);
    if (Load<uint16_t>(AddressOf(&gpu.rings().used.index)) != before) {
      return attacker.Note(Ending::kAnswered);
    }
  }
  attacker.Note(Ending::kTimedOut);
}

}  // namespace

void AttackRacingRings(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  const SecondCpu second(RewriteRings, &gpu, attacker.random.Next());
  const uint64_t request = gpu.Put(&kGetDisplayInfo, sizeof(kGetDisplayInfo));
  for (int i = 0; i < 300; ++i) {
    attacker.Attempt();
    gpu.Describe(0, request, sizeof(kGetDisplayInfo), kDescriptorNext, 1);
    gpu.Describe(1, AddressOf(arena), 512, kDescriptorWrite, 0);
    for (int n = 0; n < 8; ++n) gpu.MakeAvailable(0);
    KickAndGlance(attacker);
    if (gpu.broken() || i % 32 == 31) HOSTILE_EXPECT(gpu.Start());
  }
}

// A scatter list, whose count says how much there is to read.
void AttackRacingRequests(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  struct {
    BlobRequest blob;
    wire::MemEntry entries[8];
  } request;
  request.blob = CreateBlob(3, 0, 8 * 4096);
  request.blob.blob.blob_mem = static_cast<uint32_t>(wire::BlobMem::kGuest);
  request.blob.blob.nr_entries = 8;
  for (wire::MemEntry& entry : request.entries) {
    entry = {AddressOf(arena), 4096, 0};
  }
  const ResourceRequest unref = OnResource(wire::Type::kResourceUnref, 3);
  Bytes bytes = {gpu.Put(&request, sizeof(request)), sizeof(request)};
  const SecondCpu second(RewriteBytes, &bytes, attacker.random.Next());
  for (int i = 0; i < 150; ++i) {
    attacker.Call(&request, sizeof(request));
    attacker.Call(&unref, sizeof(unref));
    attacker.Mend();
  }
}

void AttackRacingCcmds(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  MakeMsmContext(attacker);
  Stream stream;
  for (int i = 0; i < 24; ++i) AddRandomCcmd(stream, attacker.random);
  Bytes bytes = {gpu.Put(&stream.request(), stream.size()),
                 static_cast<uint32_t>(stream.size())};
  const SecondCpu second(RewriteBytes, &bytes, attacker.random.Next());
  for (int i = 0; i < 200; ++i) {
    attacker.Call(&stream.request(), stream.size());
    attacker.Mend();
  }
}

void AttackRacingControlMemory(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  MakeMsmContext(attacker);
  // Its head and the first answers.
  Bytes bytes = {gpu.window(), 256};
  const SecondCpu second(RewriteBytes, &bytes, attacker.random.Next());
  for (int i = 0; i < 200; ++i) {
    Stream stream;
    // WAIT_FENCE and SUBMITQUEUE_QUERY answer where the guest says.
    for (uint32_t n = 0; n < 8; ++n) {
      uint32_t* const words =
          stream.Add(n % 2 == 0 ? msm::MSM_CCMD_WAIT_FENCE
                                : msm::MSM_CCMD_SUBMITQUEUE_QUERY,
                     3);
      words[-1] = 16 * n;
      words[2] = 8;
    }
    attacker.Call(&stream.request(), stream.size());
  }
}

// While the GPU executes them; the answer comes when it is done, or hung.
void AttackRacingStreams(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  MakeMsmContext(attacker);
  Bytes bytes = {gpu.window() + kBlobSize, 4 * kStreamDwords};
  for (uint32_t fence = 1; fence <= 24; ++fence) {
    FillBuffer(attacker);
    Stream stream;
    AddSubmit(stream, fence);
    SubmitRequest request = stream.request();
    request.header.flags = wire::kFlagFence | wire::kFlagInfoRingIdx;
    request.header.fence_id = fence;
    request.header.ring_idx = kRing;
    const SecondCpu second(RewriteBytes, &bytes, attacker.random.Next());
    attacker.Call(&request, stream.size());
  }
}

void AttackRacingRegisters(Attacker& attacker) {
  const SecondCpu second(AccessRegisters, &attacker.gpu,
                         attacker.random.Next());
  for (int i = 0; i < 200; ++i) {
    attacker.Call(&kGetDisplayInfo, sizeof(kGetDisplayInfo));
    if (i % 32 == 31) attacker.gpu.Start();
    attacker.Mend();
  }
}

void AttackRacingReset(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  const SecondCpu second(ResetNow, &gpu, attacker.random.Next());
  for (int i = 0; i < 150; ++i) {
    attacker.Attempt();
    gpu.Start();  // Which may not last.
    gpu.Describe(0, gpu.Put(&kGetDisplayInfo, sizeof(kGetDisplayInfo)),
                 sizeof(kGetDisplayInfo), kDescriptorNext, 1);
    gpu.Describe(1, AddressOf(arena), 512, kDescriptorWrite, 0);
    gpu.MakeAvailable(0);
    KickAndGlance(attacker);
  }
}

}  // namespace nacre::hostile_guest
