#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_CCMD_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_CCMD_H_

#include <cstdint>
#include <optional>
#include <span>
#include <variant>

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
// PAGE_SIZE, beyond which the kernel refuses the string too.
inline constexpr uint32_t kMaxDebugString = 4096;

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

using CcmdRequest =
    std::variant<MalformedCcmd, NopCcmd, IoctlSimpleCcmd, GemNewCcmd,
                 GemSetIovaCcmd, GemCpuPrepCcmd, GemSetNameCcmd, GemSubmitCcmd,
                 GemUploadCcmd, SubmitqueueQueryCcmd, WaitFenceCcmd,
                 SetDebuginfoCcmd>;

struct Ccmd {
  vdrm_ccmd_req header;
  CcmdRequest request;
};

// Takes a stream apart. Structures shorter than ours are an older Mesa's: what
// they lack is zero; what longer ones have beyond ours is ignored. Allocates
// nothing. The bytes must be ours (a copy), and outlive what Next returns.
class CcmdReader {
 public:
  explicit CcmdReader(std::span<const uint8_t> stream) : rest_(stream) {}

  // The next command, or nullopt at the end. Every command whose header is
  // there comes out, malformed ones too, because the guest waits for its seqno;
  // where the header's length itself is wrong, it is the last one.
  std::optional<Ccmd> Next();

  // False where bytes were left that are no header: no command came out for
  // them. (For a wrong length one did.)
  bool complete() const { return complete_; }

 private:
  std::span<const uint8_t> rest_;
  bool complete_ = true;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_CCMD_H_
