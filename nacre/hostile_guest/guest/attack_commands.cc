// Attacks of the device by what is in requests.

#include <initializer_list>

#include "nacre/hostile_guest/guest/machine.h"
#include "nacre/hostile_guest/guest/msm.h"

namespace nacre::hostile_guest {
namespace {

using wire::Type;

constexpr uint32_t kLastControlType =
    static_cast<uint32_t>(Type::kSubmit3d) + 2;

// Half of the words small, so that commands find each other's traces.
void RandomWords(Random& random, uint32_t* out, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    out[i] = random.Below(2) == 0 ? random.Below(4) : random.WildWord();
  }
}

uint32_t RandomType(Random& random) {
  constexpr uint32_t kFirst2d = static_cast<uint32_t>(Type::kGetDisplayInfo);
  constexpr uint32_t kLast2d = static_cast<uint32_t>(Type::kSetScanoutBlob);
  constexpr uint32_t kFirst3d = static_cast<uint32_t>(Type::kCtxCreate);
  switch (random.Below(8)) {
    case 0:
      return random.WildWord();
    case 1:
    case 2:
    case 3:
      return kFirst2d + random.Below(kLast2d - kFirst2d + 1);
    default:
      return kFirst3d + random.Below(kLastControlType - kFirst3d + 1);
  }
}

}  // namespace

void AttackRandomCommand(Attacker& attacker) {
  MakeMsmContext(attacker);
  struct {
    wire::CtrlHeader header;
    uint32_t body[24];
  } request;
  for (int i = 0; i < 300; ++i) {
    request.header = {};
    request.header.type = RandomType(attacker.random);
    request.header.ctx_id = attacker.random.Below(3);
    if (attacker.random.Below(4) == 0) {
      request.header.flags = attacker.random.WildWord();
      request.header.fence_id = attacker.random.Wild();
      request.header.ring_idx = static_cast<uint8_t>(attacker.random.Below(80));
    }
    RandomWords(attacker.random, request.body, 24);
    attacker.Call(&request, sizeof(request));
    attacker.Mend();
  }
}

void AttackShortCommand(Attacker& attacker) {
  MakeMsmContext(attacker);
  struct {
    wire::CtrlHeader header;
    uint32_t body[24];
  } request;
  for (int i = 0; i < 200; ++i) {
    request.header = Header(static_cast<Type>(RandomType(attacker.random)),
                            attacker.random.Below(2));
    RandomWords(attacker.random, request.body, 24);
    attacker.Call(&request, 1 + attacker.random.Below(sizeof(request)),
                  1 + attacker.random.Below(48));
    attacker.Mend();
  }
}

// Counts and sizes that promise more than the request has, or more than anybody
// has.
void AttackHugeCount(Attacker& attacker) {
  MakeMsmContext(attacker);
  constexpr uint32_t kCounts[] = {
      2,          0x1000,     0x10000,    0x10001,    0x0fffffff,
      0x10000000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
  for (const uint32_t count : kCounts) {
    struct {
      wire::CtrlHeader header;
      wire::ResourceAttachBacking attach;
    } attach = {Header(Type::kResourceAttachBacking), {1, count}};
    attacker.Call(&attach, sizeof(attach));

    BlobRequest blob = CreateBlob(10, 10, kBlobSize);
    blob.blob.nr_entries = count;
    blob.blob.blob_mem = static_cast<uint32_t>(wire::BlobMem::kGuest);
    attacker.Call(&blob, sizeof(blob));
    for (const uint64_t size :
         {uint64_t{count}, uint64_t{count} << 12, uint64_t{count} << 32}) {
      blob = CreateBlob(10, 0, size);
      attacker.Call(&blob, sizeof(blob));
    }

    struct {
      wire::CtrlHeader header;
      wire::Submit3d submit;
    } submit = {Header(Type::kSubmit3d, kContext), {count, 0}};
    attacker.Call(&submit, sizeof(submit));

    struct {
      wire::CtrlHeader header;
      wire::ResourceCreate2d create;
    } create = {Header(Type::kResourceCreate2d), {11, 1, count, 0x10001}};
    attacker.Call(&create, sizeof(create));

    // GEM_SUBMIT by its counts, GEM_UPLOAD by its length.
    Stream stream;
    uint32_t* const gem_submit = stream.Add(msm::MSM_CCMD_GEM_SUBMIT, 5);
    gem_submit[0] = 0x10;  // MSM_PIPE_3D0
    gem_submit[2] = count;
    gem_submit[3] = count;
    gem_submit[4] = 1;
    uint32_t* const upload = stream.Add(msm::MSM_CCMD_GEM_UPLOAD, 5);
    upload[0] = kBufferResource;
    upload[2] = 0 - count;
    upload[3] = count;
    attacker.Call(&stream.request(), stream.size());
    attacker.Mend();
  }
}

void AttackRandomCcmd(Attacker& attacker) {
  MakeMsmContext(attacker);
  FillBuffer(attacker);
  for (int i = 0; i < 120; ++i) {
    Stream stream;
    const uint32_t ccmds = 1 + attacker.random.Below(8);
    for (uint32_t n = 0; n < ccmds; ++n) {
      AddRandomCcmd(stream, attacker.random);
    }
    attacker.Call(&stream.request(), stream.size());
    // The control memory is the guest's to spoil: no word of it matters to
    // the host.
    Store<uint32_t>(attacker.gpu.window() + 4 * attacker.random.Below(8),
                    attacker.random.WildWord());
  }
}

}  // namespace nacre::hostile_guest
