// Attacks by way of the cursor queue, which takes two commands and answers
// every one of them as the control queue does.

#include <initializer_list>

#include "nacre/hostile_guest/guest/machine.h"
#include "nacre/hostile_guest/guest/msm.h"

namespace nacre::hostile_guest {
namespace {

using virtio::kDescriptorNext;
using virtio::kDescriptorWrite;
using wire::kCursorQueue;
using wire::Type;

// Two resources that hold a cursor: one in the host's memory, one in ours.
constexpr uint32_t kImage = 1;
constexpr uint32_t kMemory = 2;
constexpr uint32_t kPixels = 64;

struct CursorRequest {
  wire::CtrlHeader header;
  wire::Cursor cursor;
};

void MakeImage(Attacker& attacker) {
  const struct {
    wire::CtrlHeader header;
    wire::ResourceCreate2d create;
  } image = {Header(Type::kResourceCreate2d), {kImage, 1, kPixels, kPixels}};
  attacker.MustCall(&image, sizeof(image));
}

void MakeCursors(Attacker& attacker) {
  MakeImage(attacker);
  struct {
    BlobRequest blob;
    wire::MemEntry entry;
  } memory = {CreateBlob(kMemory, 0, 4 * kPixels * kPixels), {}};
  memory.blob.header.ctx_id = 0;
  memory.blob.blob.blob_mem = static_cast<uint32_t>(wire::BlobMem::kGuest);
  memory.blob.blob.nr_entries = 1;
  // Its pixels are the driver itself.
  memory.entry = {AddressOf(&attacker.gpu), 4 * kPixels * kPixels, 0};
  attacker.MustCall(&memory, sizeof(memory));
}

CursorRequest Update(uint32_t resource) {
  return {Header(Type::kUpdateCursor), {0, 1, 2, 0, resource, 3, 4, 0}};
}

CursorRequest WildCursor(Random& random) {
  constexpr uint32_t kFirst = static_cast<uint32_t>(Type::kUpdateCursor);
  constexpr uint32_t kControl = static_cast<uint32_t>(Type::kGetDisplayInfo);
  CursorRequest request = {};
  switch (random.Below(8)) {
    case 0:
      request.header.type = random.WildWord();
      break;
    case 1:  // The control queue's.
      request.header.type =
          kControl + (random.Below(2) << 8) + random.Below(16);
      break;
    default:  // And the one behind them.
      request.header.type = kFirst + random.Below(3);
  }
  request.header.ctx_id = random.Below(3);
  if (random.Below(4) == 0) {
    request.header.flags = random.WildWord();
    request.header.fence_id = random.Wild();
    request.header.ring_idx = static_cast<uint8_t>(random.Below(80));
  }
  wire::Cursor& cursor = request.cursor;
  cursor.scanout_id = random.Below(4) != 0 ? 0 : random.WildWord();
  cursor.x = random.WildWord();
  cursor.y = random.WildWord();
  cursor.padding0 = random.WildWord();
  cursor.resource_id =
      random.Below(4) != 0 ? random.Below(4) : random.WildWord();
  cursor.hot_x = random.WildWord();
  cursor.hot_y = random.WildWord();
  cursor.padding1 = random.WildWord();
  return request;
}

// Has the cursor queue look at the chain from descriptor 0, which comes back or
// is called broken.
Ending Finish(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  attacker.Attempt();
  Store<uint32_t>(AddressOf(gpu.answer()), 0);
  gpu.MakeAvailable(0, kCursorQueue);
  gpu.Kick(kCursorQueue);
  const Ending ending = gpu.Wait(kCursorQueue);
  HOSTILE_EXPECT(ending != Ending::kTimedOut);
  attacker.Note(ending, Load<uint32_t>(AddressOf(gpu.answer())));
  if (ending == Ending::kBroken) {
    attacker.Mend();
    MakeCursors(attacker);
  }
  return ending;
}

// One cut into five, of which some have no bytes, is served as any other
// (virtio 1.3, 2.7.4.2).
void ShowInPieces(Attacker& attacker, uint32_t resource) {
  Gpu& gpu = attacker.gpu;
  const CursorRequest request = Update(resource);
  const uint64_t at = gpu.Put(&request, sizeof(request));
  const uint64_t answer = AddressOf(gpu.answer());
  gpu.Describe(0, at, 0, kDescriptorNext, 1, kCursorQueue);
  gpu.Describe(1, at, 10, kDescriptorNext, 2, kCursorQueue);
  gpu.Describe(2, at + 10, sizeof(request) - 10, kDescriptorNext, 3,
               kCursorQueue);
  gpu.Describe(3, answer, 0, kDescriptorWrite | kDescriptorNext, 4,
               kCursorQueue);
  gpu.Describe(4, answer, 512, kDescriptorWrite, 0, kCursorQueue);
  HOSTILE_EXPECT(Finish(attacker) == Ending::kAnswered);
  HOSTILE_EXPECT(Load<uint32_t>(answer) ==
                 static_cast<uint32_t>(Type::kOkNodata));
}

// A cursor's resource goes while it is to be shown; which of the queues is
// first is the device's to choose.
void ShowWhatGoes(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  const struct {
    CursorRequest update;
    ResourceRequest unref;
  } requests = {Update(kImage), OnResource(Type::kResourceUnref, kImage)};
  const uint64_t update = gpu.Put(&requests, sizeof(requests));
  const uint64_t unref = update + sizeof(CursorRequest);
  gpu.Describe(0, update, sizeof(CursorRequest), 0, 0, kCursorQueue);
  gpu.Describe(0, unref, sizeof(ResourceRequest), 0, 0);
  gpu.MakeAvailable(0, kCursorQueue);
  gpu.MakeAvailable(0);
  for (const uint16_t queue : {wire::kControlQueue, kCursorQueue}) {
    attacker.Attempt();
    gpu.Kick(queue);
  }
  for (const uint16_t queue : {wire::kControlQueue, kCursorQueue}) {
    const Ending ending = gpu.Wait(queue);
    HOSTILE_EXPECT(ending == Ending::kAnswered);
    attacker.Note(ending);
  }
  MakeImage(attacker);
}

}  // namespace

void AttackCursorChain(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  Random& random = attacker.random;
  MakeCursors(attacker);
  const CursorRequest request = Update(kImage);
  for (int i = 0; i < 30; ++i) {
    ShowInPieces(attacker, i % 2 == 0 ? kImage : kMemory);
    const uint64_t at = gpu.Put(&request, sizeof(request));
    const uint16_t pieces = static_cast<uint16_t>(1 + random.Below(4));
    for (uint16_t piece = 0; piece < pieces; ++piece) {
      // Of either kind in any order, with any bytes or none; not over this
      // guest's own code.
      const bool written = random.Below(2) == 0;
      uint64_t address = written ? AddressOf(gpu.answer()) : at;
      if (random.Below(8) == 0) address = kRamStart + random.Wild();
      if (written && InRam(address)) address = AddressOf(gpu.answer());
      uint32_t length = random.Below(3) * (sizeof(request) / 2);
      if (random.Below(8) == 0) length = random.WildWord();
      if (written && length > Gpu::kRequestRoom) length = Gpu::kRequestRoom;
      // Mostly the one behind it; at times none, or in circles.
      uint16_t next = static_cast<uint16_t>(piece + 1);
      if (random.Below(16) == 0) next = static_cast<uint16_t>(random.Below(20));
      gpu.Describe(piece, address, length,
                   (written ? kDescriptorWrite : 0) |
                       (next != pieces ? kDescriptorNext : 0),
                   next, kCursorQueue);
    }
    Finish(attacker);
  }
}

void AttackRandomCursor(Attacker& attacker) {
  Gpu& gpu = attacker.gpu;
  Random& random = attacker.random;
  MakeCursors(attacker);
  for (int i = 0; i < 120; ++i) {
    const CursorRequest request = WildCursor(random);
    const uint32_t lengths[] = {sizeof(request), sizeof(request),
                                1 + random.Below(sizeof(request)),
                                1 + random.Below(Gpu::kRequestRoom)};
    const uint64_t at = gpu.Put(&request, sizeof(request));
    // Linux leaves no room for an answer; others may leave too little.
    const uint32_t room = random.Below(2) == 0 ? 512 : random.Below(32);
    gpu.Describe(0, at, lengths[random.Below(4)],
                 room != 0 ? kDescriptorNext : 0, 1, kCursorQueue);
    gpu.Describe(1, AddressOf(gpu.answer()), room, kDescriptorWrite, 0,
                 kCursorQueue);
    HOSTILE_EXPECT(Finish(attacker) == Ending::kAnswered);
    if (i % 8 == 0) ShowWhatGoes(attacker);
    // On the queue that is for others.
    const CursorRequest update = Update(kMemory);
    if (i % 8 == 4) attacker.Call(&update, sizeof(update));
  }
}

}  // namespace nacre::hostile_guest
