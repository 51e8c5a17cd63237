#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_CCMD_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_CCMD_H_

#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "devices/virtio_gpu/msm/wire.h"

namespace nacre::msm {

// The ccmds of a stream as values whose spans lie within the stream and whose
// counts match them. Everything else (ids, flags, sizes) is as the guest wrote
// it. Spans point into the stream; arrays in it are not aligned.

// Attacks stopped: nr_bos and nr_cmds that size our arrays and the host
// kernel's. A stream long enough for more is no graphics program's.
inline constexpr uint32_t kMaxSubmitBos = 1 << 17;
inline constexpr uint32_t kMaxSubmitCmds = 1 << 16;
// Mesa cuts uploads at 4 KiB. Attack stopped: one command that copies for long.
inline constexpr uint32_t kMaxUploadBytes = 1 << 20;

// A command that breaks the wire format, or of no known kind.
struct MalformedCcmd {
  const char* reason;
};
struct NopCcmd {};
struct IoctlSimpleCcmd {
  uint32_t code;
  std::span<const uint8_t> payload;  // Up to the end of the command.
};
struct GemNewCcmd {
  uint64_t iova;
  uint64_t size;
  uint32_t flags;
  uint32_t blob_id;
};
struct GemSetIovaCcmd {
  uint64_t iova;
  uint32_t res_id;
};
struct GemCpuPrepCcmd {
  uint32_t res_id;
  uint32_t op;
};
struct GemSetNameCcmd {
  uint32_t res_id;
  std::span<const uint8_t> name;  // As sent: may have zeros in it.
};
struct GemSubmitCcmd {
  uint32_t flags;
  uint32_t queue_id;
  uint32_t fence;
  uint32_t nr_bos;
  uint32_t nr_cmds;
  std::span<const uint8_t> bos;   // nr_bos drm_msm_gem_submit_bo.
  std::span<const uint8_t> cmds;  // nr_cmds drm_msm_gem_submit_cmd.
};
struct GemUploadCcmd {
  uint32_t res_id;
  uint32_t off;
  std::span<const uint8_t> data;
};
struct SubmitqueueQueryCcmd {
  uint32_t queue_id;
  uint32_t param;
  uint32_t len;
};
struct WaitFenceCcmd {
  uint32_t queue_id;
  uint32_t fence;
};
struct SetDebuginfoCcmd {
  std::span<const uint8_t> comm;  // Both as sent, with their zeros.
  std::span<const uint8_t> cmdline;
};

// Takes a stream apart. Structures shorter than ours are an older Mesa's: what
// they lack is zero; what longer ones have beyond ours is ignored. Allocates
// nothing. The bytes must be ours (a copy), and outlive what Next returns.
class CcmdReader {
 public:
  explicit CcmdReader(std::span<const uint8_t> stream) : rest_(stream) {}

  // Calls handle(header, request) for the next command, request being one of
  // the above; false, and nothing called, at the end. Every command whose
  // header is there comes out, malformed ones too, because the guest waits for
  // its seqno; where the header's length itself is wrong, it is the last one.
  template <typename Handle>
  bool Next(Handle&& handle);

  // What is left; after the end, bytes that are no header: no command came out
  // for them. (For a wrong length one did.)
  std::span<const uint8_t> rest() const { return rest_; }

 private:
  std::span<const uint8_t> rest_;
};

namespace ccmd_internal {

// Each gets a whole command, header included, and calls handle(request).

template <typename Handle>
void DecodeIoctlSimple(ByteReader body, Handle& handle) {
  const auto request = body.ReadZeroExtended<msm_ccmd_ioctl_simple_req>();
  handle(IoctlSimpleCcmd{request.cmd, *body.ReadBytes(body.remaining())});
}

template <typename Handle>
void DecodeGemSetName(ByteReader body, Handle& handle) {
  const auto request = body.ReadZeroExtended<msm_ccmd_gem_set_name_req>();
  const auto name = body.ReadBytes(request.len);
  if (!name)
    return handle(MalformedCcmd{"GEM_SET_NAME: len beyond the command"});
  handle(GemSetNameCcmd{request.res_id, *name});
}

template <typename Handle>
void DecodeGemSubmit(ByteReader body, Handle& handle) {
  const auto request = body.ReadZeroExtended<msm_ccmd_gem_submit_req>();
  if (request.nr_bos > kMaxSubmitBos) {
    return handle(MalformedCcmd{"GEM_SUBMIT: nr_bos above the limit"});
  }
  if (request.nr_cmds > kMaxSubmitCmds) {
    return handle(MalformedCcmd{"GEM_SUBMIT: nr_cmds above the limit"});
  }
  // The limits keep both products far below 2^32.
  const auto bos =
      body.ReadBytes(request.nr_bos * sizeof(drm_msm_gem_submit_bo));
  if (!bos)
    return handle(MalformedCcmd{"GEM_SUBMIT: nr_bos beyond the command"});
  const auto cmds =
      body.ReadBytes(request.nr_cmds * sizeof(drm_msm_gem_submit_cmd));
  if (!cmds) {
    return handle(MalformedCcmd{"GEM_SUBMIT: nr_cmds beyond the command"});
  }
  handle(GemSubmitCcmd{request.flags, request.queue_id, request.fence,
                       request.nr_bos, request.nr_cmds, *bos, *cmds});
}

template <typename Handle>
void DecodeGemUpload(ByteReader body, Handle& handle) {
  const auto request = body.ReadZeroExtended<msm_ccmd_gem_upload_req>();
  if (request.len > kMaxUploadBytes) {
    return handle(MalformedCcmd{"GEM_UPLOAD: len above the limit"});
  }
  const auto data = body.ReadBytes(request.len);
  if (!data) return handle(MalformedCcmd{"GEM_UPLOAD: len beyond the command"});
  handle(GemUploadCcmd{request.res_id, request.off, *data});
}

template <typename Handle>
void DecodeSetDebuginfo(ByteReader body, Handle& handle) {
  const auto request = body.ReadZeroExtended<msm_ccmd_set_debuginfo_req>();
  const auto comm = body.ReadBytes(request.comm_len);
  if (!comm) {
    return handle(MalformedCcmd{"SET_DEBUGINFO: comm_len beyond the command"});
  }
  const auto cmdline = body.ReadBytes(request.cmdline_len);
  if (!cmdline) {
    return handle(
        MalformedCcmd{"SET_DEBUGINFO: cmdline_len beyond the command"});
  }
  handle(SetDebuginfoCcmd{*comm, *cmdline});
}

template <typename Handle>
void Decode(uint32_t cmd, ByteReader body, Handle& handle) {
  switch (cmd) {
    case MSM_CCMD_NOP:
      return handle(NopCcmd{});
    case MSM_CCMD_IOCTL_SIMPLE:
      return DecodeIoctlSimple(body, handle);
    case MSM_CCMD_GEM_NEW: {
      const auto r = body.ReadZeroExtended<msm_ccmd_gem_new_req>();
      return handle(GemNewCcmd{r.iova, r.size, r.flags, r.blob_id});
    }
    case MSM_CCMD_GEM_SET_IOVA: {
      const auto r = body.ReadZeroExtended<msm_ccmd_gem_set_iova_req>();
      return handle(GemSetIovaCcmd{r.iova, r.res_id});
    }
    case MSM_CCMD_GEM_CPU_PREP: {
      const auto r = body.ReadZeroExtended<msm_ccmd_gem_cpu_prep_req>();
      return handle(GemCpuPrepCcmd{r.res_id, r.op});
    }
    case MSM_CCMD_GEM_SET_NAME:
      return DecodeGemSetName(body, handle);
    case MSM_CCMD_GEM_SUBMIT:
      return DecodeGemSubmit(body, handle);
    case MSM_CCMD_GEM_UPLOAD:
      return DecodeGemUpload(body, handle);
    case MSM_CCMD_SUBMITQUEUE_QUERY: {
      const auto r = body.ReadZeroExtended<msm_ccmd_submitqueue_query_req>();
      return handle(SubmitqueueQueryCcmd{r.queue_id, r.param, r.len});
    }
    case MSM_CCMD_WAIT_FENCE: {
      const auto r = body.ReadZeroExtended<msm_ccmd_wait_fence_req>();
      return handle(WaitFenceCcmd{r.queue_id, r.fence});
    }
    case MSM_CCMD_SET_DEBUGINFO:
      return DecodeSetDebuginfo(body, handle);
    default:
      return handle(MalformedCcmd{"unknown ccmd"});
  }
}

}  // namespace ccmd_internal

template <typename Handle>
bool CcmdReader::Next(Handle&& handle) {
  if (rest_.size() < sizeof(vdrm_ccmd_req)) return false;
  vdrm_ccmd_req header;
  std::memcpy(&header, rest_.data(), sizeof(header));
  const auto with_header = [&](const auto& request) {
    handle(header, request);
  };
  if (header.len < sizeof(vdrm_ccmd_req) || header.len % 4 != 0 ||
      header.len > rest_.size()) {
    rest_ = {};
    with_header(MalformedCcmd{"length of a ccmd out of range"});
    return true;
  }
  const ByteReader command(rest_.first(header.len));
  rest_ = rest_.subspan(header.len);
  ccmd_internal::Decode(header.cmd, command, with_header);
  return true;
}

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_CCMD_H_
