#include "devices/virtio_gpu/msm/ccmd.h"

#include "base/bytes.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {
namespace {

// Each Decode* gets a whole command, header included.

CcmdRequest DecodeIoctlSimple(ByteReader body) {
  const auto request = body.ReadZeroExtended<msm_ccmd_ioctl_simple_req>();
  return IoctlSimpleCcmd{request.cmd, *body.ReadBytes(body.remaining())};
}

CcmdRequest DecodeGemNew(ByteReader body) {
  const auto request = body.ReadZeroExtended<msm_ccmd_gem_new_req>();
  return GemNewCcmd{request.iova, request.size, request.flags, request.blob_id};
}

CcmdRequest DecodeGemSetIova(ByteReader body) {
  const auto request = body.ReadZeroExtended<msm_ccmd_gem_set_iova_req>();
  return GemSetIovaCcmd{request.iova, request.res_id};
}

CcmdRequest DecodeGemCpuPrep(ByteReader body) {
  const auto request = body.ReadZeroExtended<msm_ccmd_gem_cpu_prep_req>();
  return GemCpuPrepCcmd{request.res_id, request.op};
}

CcmdRequest DecodeGemSetName(ByteReader body) {
  const auto request = body.ReadZeroExtended<msm_ccmd_gem_set_name_req>();
  const auto name = body.ReadBytes(request.len);
  if (!name) return MalformedCcmd{"GEM_SET_NAME: len beyond the command"};
  return GemSetNameCcmd{request.res_id, *name};
}

CcmdRequest DecodeGemSubmit(ByteReader body) {
  const auto request = body.ReadZeroExtended<msm_ccmd_gem_submit_req>();
  if (request.nr_bos > kMaxSubmitBos) {
    return MalformedCcmd{"GEM_SUBMIT: nr_bos above the limit"};
  }
  if (request.nr_cmds > kMaxSubmitCmds) {
    return MalformedCcmd{"GEM_SUBMIT: nr_cmds above the limit"};
  }
  // The limits keep both products far below 2^32.
  const auto bos =
      body.ReadBytes(request.nr_bos * sizeof(drm_msm_gem_submit_bo));
  if (!bos) return MalformedCcmd{"GEM_SUBMIT: nr_bos beyond the command"};
  const auto cmds =
      body.ReadBytes(request.nr_cmds * sizeof(drm_msm_gem_submit_cmd));
  if (!cmds) return MalformedCcmd{"GEM_SUBMIT: nr_cmds beyond the command"};
  // In place: gcc 12 for aarch64 calls a copied one's padding uninitialized.
  CcmdRequest submit;
  submit.emplace<GemSubmitCcmd>() = {
      request.flags,  request.queue_id, request.fence,
      request.nr_bos, request.nr_cmds,  *bos,
      *cmds};
  return submit;
}

CcmdRequest DecodeGemUpload(ByteReader body) {
  const auto request = body.ReadZeroExtended<msm_ccmd_gem_upload_req>();
  if (request.len > kMaxUploadBytes) {
    return MalformedCcmd{"GEM_UPLOAD: len above the limit"};
  }
  const auto data = body.ReadBytes(request.len);
  if (!data) return MalformedCcmd{"GEM_UPLOAD: len beyond the command"};
  return GemUploadCcmd{request.res_id, request.off, *data};
}

CcmdRequest DecodeSubmitqueueQuery(ByteReader body) {
  const auto request = body.ReadZeroExtended<msm_ccmd_submitqueue_query_req>();
  return SubmitqueueQueryCcmd{request.queue_id, request.param, request.len};
}

CcmdRequest DecodeWaitFence(ByteReader body) {
  const auto request = body.ReadZeroExtended<msm_ccmd_wait_fence_req>();
  return WaitFenceCcmd{request.queue_id, request.fence};
}

CcmdRequest DecodeSetDebuginfo(ByteReader body) {
  const auto request = body.ReadZeroExtended<msm_ccmd_set_debuginfo_req>();
  const auto comm = body.ReadBytes(request.comm_len);
  if (!comm) return MalformedCcmd{"SET_DEBUGINFO: comm_len beyond the command"};
  const auto cmdline = body.ReadBytes(request.cmdline_len);
  if (!cmdline) {
    return MalformedCcmd{"SET_DEBUGINFO: cmdline_len beyond the command"};
  }
  return SetDebuginfoCcmd{*comm, *cmdline};
}

CcmdRequest Decode(uint32_t cmd, std::span<const uint8_t> command) {
  const ByteReader body(command);
  switch (cmd) {
    case MSM_CCMD_NOP:
      return NopCcmd{};
    case MSM_CCMD_IOCTL_SIMPLE:
      return DecodeIoctlSimple(body);
    case MSM_CCMD_GEM_NEW:
      return DecodeGemNew(body);
    case MSM_CCMD_GEM_SET_IOVA:
      return DecodeGemSetIova(body);
    case MSM_CCMD_GEM_CPU_PREP:
      return DecodeGemCpuPrep(body);
    case MSM_CCMD_GEM_SET_NAME:
      return DecodeGemSetName(body);
    case MSM_CCMD_GEM_SUBMIT:
      return DecodeGemSubmit(body);
    case MSM_CCMD_GEM_UPLOAD:
      return DecodeGemUpload(body);
    case MSM_CCMD_SUBMITQUEUE_QUERY:
      return DecodeSubmitqueueQuery(body);
    case MSM_CCMD_WAIT_FENCE:
      return DecodeWaitFence(body);
    case MSM_CCMD_SET_DEBUGINFO:
      return DecodeSetDebuginfo(body);
    default:
      return MalformedCcmd{"unknown ccmd"};
  }
}

}  // namespace

std::optional<Ccmd> CcmdReader::Next() {
  if (rest_.empty()) return std::nullopt;
  const auto header = ByteReader(rest_).Read<vdrm_ccmd_req>();
  if (!header) {
    rest_ = {};
    complete_ = false;
    return std::nullopt;
  }
  if (header->len < sizeof(vdrm_ccmd_req) || header->len % 4 != 0 ||
      header->len > rest_.size()) {
    rest_ = {};
    return Ccmd{*header, MalformedCcmd{"length of a ccmd out of range"}};
  }
  const std::span<const uint8_t> command = rest_.first(header->len);
  rest_ = rest_.subspan(header->len);
  return Ccmd{*header, Decode(header->cmd, command)};
}

}  // namespace nacre::msm
