#include <cstddef>
#include <cstdint>
#include <vector>

#include "devices/virtio_gpu/msm/ccmd.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "glog/logging.h"

namespace nacre::msm {
namespace {

// Spans must lie within the stream and match their counts; reading each byte
// lets the sanitizer say so.
struct Checker {
  std::span<const uint8_t> stream;

  void Check(std::span<const uint8_t> part) const {
    if (part.empty()) return;
    CHECK(part.data() >= stream.data());
    CHECK(part.data() + part.size() <= stream.data() + stream.size());
    volatile uint8_t sink = 0;
    for (const uint8_t byte : part) sink = byte;
    (void)sink;
  }

  void operator()(const IoctlSimpleCcmd& ccmd) const { Check(ccmd.payload); }
  void operator()(const GemSetNameCcmd& ccmd) const { Check(ccmd.name); }
  void operator()(const GemUploadCcmd& ccmd) const { Check(ccmd.data); }
  void operator()(const SetDebuginfoCcmd& ccmd) const {
    Check(ccmd.comm);
    Check(ccmd.cmdline);
  }
  void operator()(const GemSubmitCcmd& ccmd) const {
    CHECK_EQ(ccmd.bos.size(), ccmd.nr_bos * sizeof(drm_msm_gem_submit_bo));
    CHECK_EQ(ccmd.cmds.size(), ccmd.nr_cmds * sizeof(drm_msm_gem_submit_cmd));
    Check(ccmd.bos);
    Check(ccmd.cmds);
  }
  template <typename T>
  void operator()(const T&) const {}
};

}  // namespace
}  // namespace nacre::msm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Of exactly this size, so that a byte too many is seen.
  const std::vector<uint8_t> stream(data, data + size);
  nacre::msm::CcmdReader reader(stream);
  const nacre::msm::Checker check{stream};
  while (
      reader.Next([&](const auto&, const auto& request) { check(request); })) {
  }
  return 0;
}
