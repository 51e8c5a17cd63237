#include "nacre/hostile_guest/guest/msm.h"

#include "nacre/hostile_guest/guest/machine.h"

namespace nacre::hostile_guest {
namespace {

using msm::msm_ccmd;
using wire::Type;

constexpr uint64_t kIova = uint64_t{1} << 32;
constexpr uint32_t kWriteCombined = 0x20000;  // MSM_BO_WC
constexpr uint32_t kPipe3d0 = 0x10;
constexpr uint32_t kReadWrite = 3;           // MSM_SUBMIT_BO_READ, _WRITE
constexpr uint32_t kCommandBuffer = 1;       // MSM_SUBMIT_CMD_BUF
constexpr uint32_t kNopPacket = 0x70108000;  // CP_NOP of no payload.

uint32_t Low(uint64_t value) { return static_cast<uint32_t>(value); }
uint32_t High(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

}  // namespace

wire::CtrlHeader Header(wire::Type type, uint32_t context) {
  wire::CtrlHeader header = {};
  header.type = static_cast<uint32_t>(type);
  header.ctx_id = context;
  return header;
}

BlobRequest CreateBlob(uint32_t resource, uint64_t blob_id, uint64_t size) {
  return {Header(Type::kResourceCreateBlob, kContext),
          {.resource_id = resource,
           .blob_mem = static_cast<uint32_t>(wire::BlobMem::kHost3d),
           .blob_flags = wire::kBlobFlagUseMappable,
           .nr_entries = 0,
           .blob_id = blob_id,
           .size = size}};
}

MapRequest Map(uint32_t resource, uint64_t offset) {
  return {Header(Type::kResourceMapBlob), {resource, 0, offset}};
}

ResourceRequest OnResource(wire::Type type, uint32_t resource) {
  return {Header(type, kContext), {resource, 0}};
}

Stream::Stream() {
  request_.header = Header(Type::kSubmit3d, kContext);
  request_.submit = {0, 0};
}

uint32_t* Stream::Add(uint32_t cmd, uint32_t words) {
  const uint32_t bytes = sizeof(msm::vdrm_ccmd_req) + 4 * words;
  uint32_t& size = request_.submit.size;
  if (bytes > SubmitRequest::kMaxBytes - size) return nullptr;
  auto* const out = reinterpret_cast<uint32_t*>(request_.ccmds + size);
  size += bytes;
  out[0] = cmd;
  out[1] = bytes;
  out[2] = ++seqno_;
  out[3] = 0;
  for (uint32_t i = 0; i < words; ++i) out[4 + i] = 0;
  return out + 4;
}

size_t Stream::size() const {
  return offsetof(SubmitRequest, ccmds) + request_.submit.size;
}

void MakeMsmContext(Attacker& attacker) {
  struct {
    wire::CtrlHeader header;
    wire::CtxCreate create;
  } context = {};
  context.header = Header(Type::kCtxCreate, kContext);
  context.create.context_init = msm::VIRTIO_GPU_CAPSET_DRM;
  attacker.MustCall(&context, sizeof(context));

  const BlobRequest control = CreateBlob(kControlResource, 0, kBlobSize);
  attacker.MustCall(&control, sizeof(control));
  const MapRequest map_control = Map(kControlResource, 0);
  attacker.MustCall(&map_control, sizeof(map_control));

  Stream stream;
  uint32_t* const gem_new = stream.Add(msm::MSM_CCMD_GEM_NEW, 6);
  gem_new[0] = Low(kIova);
  gem_new[1] = High(kIova);
  gem_new[2] = Low(kBlobSize);
  gem_new[4] = kWriteCombined;
  gem_new[5] = kBufferResource;  // Its blob_id.
  attacker.MustCall(&stream.request(), stream.size());
  const BlobRequest buffer =
      CreateBlob(kBufferResource, kBufferResource, kBlobSize);
  attacker.MustCall(&buffer, sizeof(buffer));
  const MapRequest map_buffer = Map(kBufferResource, kBlobSize);
  attacker.MustCall(&map_buffer, sizeof(map_buffer));
}

void FillBuffer(Attacker& attacker) {
  for (uint64_t i = 0; i < kStreamDwords; ++i) {
    Store<uint32_t>(attacker.gpu.window() + kBlobSize + 4 * i, kNopPacket);
  }
}

void AddSubmit(Stream& stream, uint32_t fence) {
  // Five words; drm_msm_gem_submit_bo of 16 bytes, drm_msm_gem_submit_cmd
  // of 32.
  uint32_t* const out = stream.Add(msm::MSM_CCMD_GEM_SUBMIT, 5 + 4 + 8);
  if (out == nullptr) return;
  out[0] = kPipe3d0;
  out[2] = 1;
  out[3] = 1;
  out[4] = fence;
  out[5] = kReadWrite;
  out[6] = kBufferResource;
  out[9] = kCommandBuffer;
  out[12] = 4 * kStreamDwords;
}

void AddRandomCcmd(Stream& stream, Random& random) {
  const uint32_t cmd = random.Below(16) == 0
                           ? random.WildWord()
                           : 1 + random.Below(msm::MSM_CCMD_LAST - 1);
  if (cmd == msm::MSM_CCMD_GEM_SUBMIT && random.Below(2) == 0) {
    return AddSubmit(stream, 1 + random.Below(1 << 30));
  }
  const uint32_t words = 2 + random.Below(14);
  uint32_t* const out = stream.Add(cmd, words);
  if (out == nullptr) return;
  for (uint32_t i = 0; i < words; ++i) {
    switch (random.Below(6)) {
      case 0:
        out[i] = random.WildWord();
        break;
      case 1:
        out[i] = kPipe3d0;
        break;
      case 2:
        out[i] = 0x1000 << random.Below(8);
        break;
      default:
        out[i] = random.Below(4);
    }
  }
  // Rarely a header that lies, which ends the stream.
  if (random.Below(24) == 0) out[-3] = random.WildWord();
  if (random.Below(8) == 0) out[-1] = random.WildWord();
}

}  // namespace nacre::hostile_guest
