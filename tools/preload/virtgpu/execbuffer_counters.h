#ifndef NACRE_TOOLS_PRELOAD_VIRTGPU_EXECBUFFER_COUNTERS_H_
#define NACRE_TOOLS_PRELOAD_VIRTGPU_EXECBUFFER_COUNTERS_H_

#include <atomic>
#include <cstdint>

namespace nacre::preload {

// What programs asked of EXECBUFFER. Any thread adds, any reads.
struct ExecbufferCounters {
  std::atomic<uint64_t> all{0};
  // Ring 0 is the host's CPU: who wants a descriptor of its fence waits for an
  // answer, which is a round trip (Mesa's vdrm_send_req with sync).
  std::atomic<uint64_t> synchronous{0};
  // In-fences that had to be waited for before the command was queued.
  std::atomic<uint64_t> waits_for_fences{0};
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_VIRTGPU_EXECBUFFER_COUNTERS_H_
