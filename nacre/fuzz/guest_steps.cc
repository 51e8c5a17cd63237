#include "nacre/fuzz/guest_steps.h"

#include <initializer_list>
#include <iterator>
#include <utility>

#include "base/bytes.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/testing/msm_driver.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "devices/virtio_gpu/msm/wire.h"
#include "simulator/pm4.h"

namespace nacre {
namespace {

using msm::High;
using msm::Low;
using simulator::EncodeCommand;
using simulator::Opcode;
using Kind = GuestStep::Kind;

constexpr uint32_t kIoctls[] = {
    msm::DRM_IOCTL_MSM_GET_PARAM,
    msm::DRM_IOCTL_MSM_SUBMITQUEUE_NEW,
    msm::DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE,
    msm::DRM_IOCTL_MSM_GEM_SUBMIT,
};
constexpr uint32_t kBoFlags[] = {
    msm::MSM_BO_WC, msm::MSM_BO_CACHED_COHERENT, msm::MSM_BO_CACHED,
    msm::MSM_BO_WC | msm::MSM_BO_GPU_READONLY, msm::MSM_BO_SCANOUT};

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : input_(bytes) {}

  std::vector<GuestStep> Read() {
    while (input_.remaining() > 0 && steps_.size() < kMaxSteps) Step();
    return std::move(steps_);
  }

 private:
  uint32_t Byte() { return input_.ReadZeroExtended<uint8_t>(); }
  uint32_t Below(uint32_t limit) { return Byte() % limit; }
  bool Rarely() { return Byte() >= 0xf8; }
  uint32_t Mostly(uint32_t limit) {
    return Rarely() ? input_.ReadZeroExtended<uint32_t>() : Below(limit);
  }
  uint32_t Resource() { return Mostly(kResources); }
  // Where a resource is at first, rarely between two.
  uint64_t Iova() {
    const uint32_t code = Byte();
    return msm::MsmDriver::IovaOf(4 * (code & 0xf)) +
           (code >= 0xf0 ? 0x800 : 0);
  }
  uint64_t Size() { return Rarely() ? Byte() : (1 + Below(3)) * kBlobPage; }

  void Step() {
    const uint32_t which = Below(24);
    switch (which) {
      case 0:
      case 1:
      case 2: {
        // As Mesa makes a buffer.
        const uint32_t resource = 2 + Below(kResources - 2);
        const uint64_t size = Size();
        AddGemNew(resource, size);
        return CreateBlob(resource, size);
      }
      case 3: {
        const uint32_t resource = Resource();
        return CreateBlob(resource, Size());
      }
      case 4:
        return OnResource(Kind::kUnref);
      case 5:
        return OnResource(Byte() < 0x80 ? Kind::kDetach : Kind::kAttach);
      case 6:
        return Drain();
      case 7: {
        const uint32_t resource = Resource();
        return AddGemNew(resource, Size());
      }
      case 8:
      case 9:
      case 10:
        return AddSubmit();
      case 11:
      case 12:
        return AddUpload();
      default:
        return AddCcmd(which - 12);
    }
  }

  void OnResource(Kind kind) {
    GuestStep step;
    step.kind = kind;
    step.resource_id = Resource();
    steps_.push_back(std::move(step));
  }
  void CreateBlob(uint32_t resource, uint64_t size) {
    GuestStep step;
    step.kind = Kind::kCreateBlob;
    step.resource_id = resource;
    step.size = size;
    steps_.push_back(std::move(step));
  }
  void Drain() {
    const uint32_t code = Byte();
    GuestStep step;
    step.kind = code < 0x80 ? Kind::kDrain : Kind::kFence;
    step.ring = static_cast<uint8_t>(code % 5);
    steps_.push_back(std::move(step));
  }

  void AddGemNew(uint32_t blob_id, uint64_t size) {
    const uint64_t iova = Iova();
    const uint32_t flags = kBoFlags[Below(std::size(kBoFlags))];
    Add(msm::MSM_CCMD_GEM_NEW,
        {Low(iova), High(iova), Low(size), High(size), flags, blob_id});
  }

  void AddCcmd(uint32_t cmd) {
    switch (cmd) {
      case msm::MSM_CCMD_IOCTL_SIMPLE:
        return AddIoctl();
      case msm::MSM_CCMD_GEM_SET_IOVA: {
        const uint64_t iova = Byte() < 0x40 ? 0 : Iova();
        return Add(cmd, {Low(iova), High(iova), Resource(), 0});
      }
      case msm::MSM_CCMD_GEM_CPU_PREP:
        return Add(cmd, {Resource(), Mostly(16)});
      case msm::MSM_CCMD_GEM_SET_NAME: {
        const uint32_t size = Below(40);
        const uint32_t resource = Resource();
        const uint32_t claimed = Rarely() ? Byte() : size;
        return Add(cmd, {resource, claimed}, Text(size));
      }
      case msm::MSM_CCMD_SUBMITQUEUE_QUERY:
        return Add(cmd, {Mostly(kQueues), Mostly(2), Mostly(9)});
      case msm::MSM_CCMD_WAIT_FENCE:
        return Add(cmd, {Mostly(kQueues), Mostly(32)});
      case msm::MSM_CCMD_SET_DEBUGINFO: {
        const uint32_t comm = Below(8);
        const uint32_t cmdline = Below(8);
        return Add(cmd, {comm, Rarely() ? Byte() : cmdline},
                   Text(comm + cmdline));
      }
      default:
        // NOP, or of no kind.
        return Add(Rarely() ? Byte() : uint32_t{msm::MSM_CCMD_NOP}, {});
    }
  }

  void AddIoctl() {
    uint32_t code = kIoctls[Below(std::size(kIoctls))];
    if (Rarely()) code ^= 1u << Below(32);
    uint32_t first = Mostly(kQueues);
    uint32_t second = Mostly(kQueues);
    if (code == msm::DRM_IOCTL_MSM_GET_PARAM) {
      if (!Rarely()) first = msm::MSM_PIPE_3D0;
      second = Below(msm::MSM_PARAM_UCHE_TRAP_BASE + 2);
      // No two clocks are the same.
      if (second == msm::MSM_PARAM_TIMESTAMP) second = msm::MSM_PARAM_FAULTS;
    } else if (code == msm::DRM_IOCTL_MSM_SUBMITQUEUE_NEW && !Rarely()) {
      first = 0;
    }
    Add(msm::MSM_CCMD_IOCTL_SIMPLE, {code, first, second},
        std::vector<uint8_t>(Rarely() ? Below(24) : 16));
  }

  void AddSubmit() {
    const uint32_t nr_bos = Below(4);
    const uint32_t nr_cmds = Below(3);
    std::vector<uint8_t> arrays;
    for (uint32_t i = 0; i < nr_bos; ++i) {
      const uint32_t code = Byte();
      Append(arrays,
             msm::drm_msm_gem_submit_bo{.flags = code < 0xf0 ? code & 3 : code,
                                        .handle = Resource(),
                                        .presumed = 0});
    }
    for (uint32_t i = 0; i < nr_cmds; ++i) {
      const uint32_t bo = Mostly(nr_bos + 1);
      Append(arrays,
             msm::drm_msm_gem_submit_cmd{
                 .type = Rarely() ? Byte() : uint32_t{msm::MSM_SUBMIT_CMD_BUF},
                 .submit_idx = bo == nr_bos ? 0 : bo,
                 .submit_offset = Mostly(4) * 16,
                 .size = Mostly(24) * 4,
                 .pad = 0,
                 .nr_relocs = Rarely() ? Byte() : 0,
                 .relocs = 0});
    }
    const uint32_t flags = msm::MSM_PIPE_3D0 |
                           (Rarely() ? input_.ReadZeroExtended<uint32_t>() : 0);
    const uint32_t queue = Mostly(kQueues) % 0x100;
    // Few wrong ones: a driver counts them.
    const uint32_t fence = Rarely() ? Mostly(4) : ++fence_;
    Add(msm::MSM_CCMD_GEM_SUBMIT,
        {flags, Byte() < 0x80 ? 0 : queue, Rarely() ? Mostly(8) : nr_bos,
         Rarely() ? Mostly(8) : nr_cmds, fence},
        arrays);
  }

  // Mostly command streams, for submissions to execute. Nothing in them waits.
  void AddUpload() {
    std::vector<uint8_t> data;
    for (uint32_t i = Below(6); i > 0; --i) {
      const uint64_t iova = Iova() + 8 * Below(32);
      const uint32_t code = Byte();
      if (code < 0xa0) {
        AppendPacket(data, Opcode::kMemWrite, iova, Byte());
      } else if (code < 0xd0) {
        AppendPacket(data, Opcode::kIndirectBuffer, iova, Below(16));
      } else {
        Append(data, EncodeCommand(Opcode::kNop, 0));
        Append(data, code < 0xf8 ? EncodeCommand(Opcode::kNop, 0) : Byte());
      }
    }
    const uint32_t resource = Resource();
    const uint32_t offset = Mostly(4) * 16;
    const auto size = static_cast<uint32_t>(data.size());
    Add(msm::MSM_CCMD_GEM_UPLOAD,
        {resource, 0, offset, Rarely() ? Mostly(64) : size}, data);
  }

  static void AppendPacket(std::vector<uint8_t>& data, Opcode opcode,
                           uint64_t iova, uint32_t value) {
    Append(data, EncodeCommand(opcode, 3));
    Append(data, Low(iova));
    Append(data, High(iova));
    Append(data, value);
  }

  template <WireType T>
  static void Append(std::vector<uint8_t>& to, const T& value) {
    const std::span<const uint8_t> bytes = AsBytes(value);
    to.insert(to.end(), bytes.begin(), bytes.end());
  }
  std::vector<uint8_t> Text(uint32_t size) {
    return std::vector<uint8_t>(size, static_cast<uint8_t>(Byte()));
  }

  void Add(uint32_t cmd, std::initializer_list<uint32_t> words,
           std::span<const uint8_t> tail = {}) {
    GuestStep step;
    step.cmd = cmd;
    for (const uint32_t word : words) Append(step.body, word);
    step.body.insert(step.body.end(), tail.begin(), tail.end());
    step.has_slot = !Rarely();
    // Else outside, or across the end.
    step.rsp_off = step.has_slot
                       ? static_cast<uint32_t>(steps_.size()) * kSlot
                       : static_cast<uint32_t>(kBlobPage) - Mostly(32);
    step.room = Rarely() ? Byte() : kSlot;
    steps_.push_back(std::move(step));
  }

  ByteReader input_;
  std::vector<GuestStep> steps_;
  uint32_t fence_ = 0;
};

}  // namespace

std::vector<GuestStep> ReadGuestSteps(std::span<const uint8_t> bytes) {
  return Reader(bytes).Read();
}

}  // namespace nacre
