#include "devices/virtio_gpu/msm/testing/ccmd_cases.h"

#include <functional>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "devices/virtio_gpu/msm/wire.h"
#include "devices/virtio_gpu/testing/requests.h"

namespace nacre::msm {
namespace {

using virtio_gpu::Request;
using virtio_gpu::ResourceRequest;
namespace wire = virtio_gpu::wire;

constexpr uint32_t kContext = 1;
// What Mesa gathers at most (its buffer for it is 0x4000 bytes, 25.0)... where
// one command is not longer.
constexpr size_t kMesaBatchBytes = 0x8000;
constexpr uint32_t kSubmitCounts[] = {1, 16, 128, 512, 2048};
// Buffers of a submit in the comparison of one context with many.
constexpr uint32_t kSpreadBuffers = 16;

class Maker {
 public:
  explicit Maker(DeviceGuest& guest) : guest_(guest) {
    for (uint32_t id = 1; id <= kCaseContexts; ++id) guest.CreateContext(id);
  }

  std::vector<CcmdCase> Make() {
    const uint32_t buffer = guest_.NewBuffer(kContext, kLargestPageSize);
    const std::vector<uint8_t> data(4096, 1);
    const std::span<const uint8_t> bytes(data);
    AddCcmds("NOP", [](CcmdStream& s, int) { s.Add(MSM_CCMD_NOP, {}); });
    AddIoctls();
    AddCcmds("GEM_SET_IOVA", [=](CcmdStream& s, int i) {
      const uint64_t iova = DeviceGuest::kIova;
      // The driver takes no address where there is one.
      const bool set = i % 2 == 1;
      s.Add(MSM_CCMD_GEM_SET_IOVA,
            {set ? Low(iova) : 0, set ? High(iova) : 0, buffer, 0});
    });
    AddCcmds("GEM_CPU_PREP", [=](CcmdStream& s, int) {
      s.Add(MSM_CCMD_GEM_CPU_PREP, {buffer, MSM_PREP_READ});
    });
    AddCcmds("GEM_SET_NAME", [=](CcmdStream& s, int) {
      constexpr char kName[] = "a texture of 256x256";
      s.Add(MSM_CCMD_GEM_SET_NAME, {buffer, sizeof(kName)},
            {reinterpret_cast<const uint8_t*>(kName), sizeof(kName)});
    });
    for (const uint32_t size : {64u, 4096u}) {
      AddCcmds("GEM_UPLOAD " + std::to_string(size), [=](CcmdStream& s, int i) {
        s.Add(MSM_CCMD_GEM_UPLOAD,
              {buffer, 0, static_cast<uint32_t>(i % 8) * 4096, size},
              bytes.first(size));
      });
    }
    AddCcmds("SUBMITQUEUE_QUERY", [](CcmdStream& s, int) {
      s.Add(MSM_CCMD_SUBMITQUEUE_QUERY,
            {0, MSM_SUBMITQUEUE_PARAM_FAULTS, sizeof(uint64_t)});
    });
    AddCcmds("WAIT_FENCE", [](CcmdStream& s, int) {
      s.Add(MSM_CCMD_WAIT_FENCE, {0, 1});
    });
    AddCcmds("SET_DEBUGINFO", [=](CcmdStream& s, int) {
      s.Add(MSM_CCMD_SET_DEBUGINFO, {8, 8}, bytes.first(16));
    });
    AddSubmits();
    AddBufferLife();
    return std::move(cases_);
  }

 private:
  // `add` adds the i-th.
  void AddCcmds(const std::string& name,
                const std::function<void(CcmdStream&, int i)>& add) {
    CcmdCase made{.name = name, .alone = {}, .batch = {}};
    // Two, so that what alternates does.
    for (int i = 0; i < 2; ++i) {
      CcmdStream one;
      add(one, i);
      made.alone.push_back(guest_.PrepareSubmit(kContext, one.bytes()));
    }
    made.commands_alone = 2;
    CcmdStream batch;
    for (int i = 0; i < kCcmdBatch; ++i) add(batch, i);
    if (batch.bytes().size() <= kMesaBatchBytes) {
      made.batch.push_back(guest_.PrepareSubmit(kContext, batch.bytes()));
    }
    cases_.push_back(std::move(made));
  }

  void AddIoctls() {
    AddCcmds("IOCTL_SIMPLE GET_PARAM", [](CcmdStream& s, int) {
      const drm_msm_param param = {.pipe = MSM_PIPE_3D0,
                                   .param = MSM_PARAM_TIMESTAMP,
                                   .value = 0,
                                   .len = 0,
                                   .pad = 0};
      s.Add(MSM_CCMD_IOCTL_SIMPLE, {DRM_IOCTL_MSM_GET_PARAM}, AsBytes(param));
    });
    // The driver that does nothing calls every queue 1.
    AddCcmds("IOCTL_SIMPLE SUBMITQUEUE_*", [](CcmdStream& s, int i) {
      const drm_msm_submitqueue queue = {.flags = 0, .prio = 1, .id = 0};
      const uint32_t id = 1;
      if (i % 2 == 0) {
        s.Add(MSM_CCMD_IOCTL_SIMPLE, {DRM_IOCTL_MSM_SUBMITQUEUE_NEW},
              AsBytes(queue));
      } else {
        s.Add(MSM_CCMD_IOCTL_SIMPLE, {DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE},
              AsBytes(id));
      }
    });
  }

  std::vector<uint8_t> SubmitOf(const std::vector<uint32_t>& buffers,
                                int count) {
    std::vector<uint8_t> arrays;
    const auto append = [&arrays](std::span<const uint8_t> part) {
      arrays.insert(arrays.end(), part.begin(), part.end());
    };
    for (const uint32_t buffer : buffers) {
      append(AsBytes(drm_msm_gem_submit_bo{
          .flags = MSM_SUBMIT_BO_READ, .handle = buffer, .presumed = 0}));
    }
    append(AsBytes(drm_msm_gem_submit_cmd{.type = MSM_SUBMIT_CMD_BUF,
                                          .submit_idx = 0,
                                          .submit_offset = 0,
                                          .size = 64,
                                          .pad = 0,
                                          .nr_relocs = 0,
                                          .relocs = 0}));
    CcmdStream stream;
    for (int i = 0; i < count; ++i) {
      stream.Add(MSM_CCMD_GEM_SUBMIT,
                 {MSM_PIPE_3D0, 0, static_cast<uint32_t>(buffers.size()), 1, 1},
                 arrays);
    }
    return stream.bytes();
  }

  void AddSubmits() {
    std::vector<uint32_t> buffers;
    for (const uint32_t count : kSubmitCounts) {
      while (buffers.size() < count) {
        buffers.push_back(guest_.NewBuffer(kContext, kSmallestPageSize));
      }
      CcmdCase made{
          .name = "GEM_SUBMIT " + std::to_string(count),
          .alone = {guest_.PrepareSubmit(kContext, SubmitOf(buffers, 1))},
          .batch = {}};
      const std::vector<uint8_t> batch = SubmitOf(buffers, kCcmdBatch);
      if (batch.size() <= kMesaBatchBytes) {
        made.batch.push_back(guest_.PrepareSubmit(kContext, batch));
      }
      cases_.push_back(std::move(made));
    }
    CcmdCase spread{
        .name = "GEM_SUBMIT 16, 64 contexts in turn", .alone = {}, .batch = {}};
    spread.commands_alone = kCaseContexts;
    for (uint32_t id = 1; id <= kCaseContexts; ++id) {
      std::vector<uint32_t> own;
      while (own.size() < kSpreadBuffers) {
        own.push_back(guest_.NewBuffer(id, kSmallestPageSize));
      }
      spread.alone.push_back(guest_.PrepareSubmit(id, SubmitOf(own, 1)));
    }
    cases_.push_back(std::move(spread));
  }

  // What Linux sends for a buffer of Mesa's, from its making to its end.
  void AddBufferLife() {
    constexpr uint32_t kResource = 1 << 20;
    constexpr uint64_t kIova = DeviceGuest::kIova;
    CcmdStream make;
    make.Add(MSM_CCMD_GEM_NEW, {Low(kIova), High(kIova), kSmallestPageSize, 0,
                                MSM_BO_WC, kResource});
    CcmdStream release;
    release.Add(MSM_CCMD_GEM_SET_IOVA, {0, 0, kResource, 0});
    const auto attachment = [](wire::Type type) {
      return ResourceRequest(type, kResource).Context(kContext);
    };
    cases_.push_back(
        {.name = "GEM_NEW to RESOURCE_UNREF (5 requests)",
         .alone = {guest_.PrepareSubmit(kContext, make.bytes()),
                   guest_.Prepare(virtio_gpu::HostBlobRequest(
                       kContext, kResource, kSmallestPageSize)),
                   guest_.PrepareSubmit(kContext, release.bytes()),
                   guest_.Prepare(attachment(wire::Type::kCtxDetachResource)),
                   guest_.Prepare(
                       ResourceRequest(wire::Type::kResourceUnref, kResource))},
         .batch = {},
         .steady = false});
    const uint32_t mapped = guest_.NewBuffer(kContext, kSmallestPageSize);
    cases_.push_back(
        {.name = "RESOURCE_MAP_BLOB, RESOURCE_UNMAP_BLOB",
         .alone = {guest_.Prepare(virtio_gpu::MapRequest(mapped, 0)),
                   guest_.Prepare(ResourceRequest(
                       wire::Type::kResourceUnmapBlob, mapped))},
         .batch = {},
         .steady = false});
  }

  DeviceGuest& guest_;
  std::vector<CcmdCase> cases_;
};

}  // namespace

std::vector<CcmdCase> MakeCcmdCases(DeviceGuest& guest) {
  return Maker(guest).Make();
}

}  // namespace nacre::msm
