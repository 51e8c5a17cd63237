// Reads bytes as calls on a few open files of one device. However they follow
// each other, nothing is left once the files are closed.

#include <poll.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/mapping.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "glog/logging.h"
#include "simulator/fence.h"
#include "simulator/pm4.h"
#include "simulator/reservation.h"
#include "simulator/simulated_device.h"
#include "simulator/simulated_file.h"

namespace nacre::simulator {
namespace {

constexpr uint64_t kVaStart = 0x100000000;
constexpr auto kLongest = std::chrono::seconds(10);
constexpr uint32_t kFlags[] = {msm::MSM_BO_WC, msm::MSM_BO_CACHED, 0,
                               msm::MSM_BO_WC | msm::MSM_BO_GPU_READONLY};

class Session {
 public:
  explicit Session(std::span<const uint8_t> bytes) : input_(bytes) {
    SimulatorConfig config;
    config.hang_timeout = std::chrono::milliseconds(0);
    config.reset_time = std::chrono::milliseconds(0);
    config.work_limit = 5'000;
    config.memory_limit = 1 << 22;
    config.on_retired = [this] { ++retired_; };
    device_ = SimulatedDevice::Create(config).value();
  }

  void Run() {
    while (input_.remaining() > 0) Step();
    for (auto& file : files_) file.reset();
    for (const Fd& fence : fences_) {
      pollfd entry = {.fd = fence.get(), .events = POLLIN, .revents = 0};
      int ready;
      do {
        ready = poll(&entry, 1, std::chrono::milliseconds(kLongest).count());
      } while (ready < 0 && errno == EINTR);  // libFuzzer's own alarm.
      CHECK_EQ(ready, 1) << "a fence never signals";
    }
    WaitRetired();
    for (const std::shared_ptr<Fence>& fence : native_fences_) {
      CHECK(fence->signalled());
    }
    dmabufs_.clear();
    const SimulatorStats stats = device_->stats();
    CHECK_EQ(stats.submissions, stats.submissions_retired);
    CHECK_EQ(stats.submissions, fences_.size() + native_fences_.size());
    CHECK_EQ(stats.buffers, 0u);
    CHECK_EQ(stats.buffer_bytes, 0u);
    CHECK_EQ(stats.files_open, 0u);
  }

 private:
  static constexpr size_t kMost = 64;  // Descriptors of a kind.

  uint8_t Byte() { return input_.ReadZeroExtended<uint8_t>(); }
  uint32_t Handle() { return Byte() % 16; }
  uint64_t Iova() { return kVaStart + (uint64_t{Byte()} << 11) - 0x1000; }

  void Step() {
    const uint8_t op = Byte();
    std::unique_ptr<SimulatedFile>& file = files_[Byte() % files_.size()];
    if (file == nullptr) file = device_->OpenFile();
    switch (op % 16) {
      case 0:
        Ask(*file, op / 16);
        break;
      case 1:
      case 2:
        file->GemNew(uint64_t{Byte()} << 9, kFlags[Byte() % 4])
            .status()
            .IgnoreError();
        break;
      case 3:
        file->GemClose(Handle()).IgnoreError();
        break;
      case 4:
        file->GemSetIova(Handle(), Iova()).IgnoreError();
        break;
      case 5:
        file->GemSetIova(Handle(), 0).IgnoreError();
        break;
      case 6:
        file->GemCpuPrep(Handle(), Byte()).IgnoreError();
        break;
      case 7:
        Export(*file);
        break;
      case 8:
        if (!dmabufs_.empty()) {
          file->GemImport(dmabufs_[Byte() % dmabufs_.size()].get())
              .status()
              .IgnoreError();
        }
        break;
      case 9:
        Fill(*file);
        break;
      case 10:
      case 11:
        Submit(*file, op / 16);
        break;
      case 12:
        file->SubmitqueueNew(Byte() & 1, Byte() % 4).status().IgnoreError();
        break;
      case 13:
        file->SubmitqueueClose(Byte() % 8).IgnoreError();
        break;
      case 14:
        file->WaitFence(Byte() % 8, Byte(), Byte() & 3).IgnoreError();
        break;
      case 15:
        // Closed, most work of a file is not done any more.
        if (Byte() % 4 == 0) {
          file.reset();
        } else {
          WaitRetired();
        }
        break;
    }
  }

  // All that was submitted; of native fences nobody can poll.
  void WaitRetired() {
    const auto deadline = std::chrono::steady_clock::now() + kLongest;
    while (retired_ < fences_.size() + native_fences_.size()) {
      CHECK(std::chrono::steady_clock::now() < deadline)
          << "a submission never retires";
      std::this_thread::yield();
    }
  }

  std::string Text() { return std::string(Byte(), static_cast<char>(Byte())); }

  // What changes little.
  void Ask(SimulatedFile& file, uint8_t what) {
    switch (what) {
      case 1:
        file.SetParamString(Byte(), Text()).IgnoreError();
        break;
      case 2:
        file.GemSetName(Handle(), Text()).IgnoreError();
        break;
      case 3:
        file.GemGetName(Handle()).status().IgnoreError();
        break;
      case 4:
        file.GemGetIova(Handle()).status().IgnoreError();
        break;
      case 5:
        file.GemGetFlags(Handle()).status().IgnoreError();
        break;
      case 6:
        file.GemSetMetadata(Handle(), std::vector<uint8_t>(Byte(), 'm'))
            .IgnoreError();
        break;
      case 7:
        file.GemGetMetadata(Handle()).status().IgnoreError();
        break;
      case 8: {
        std::array<uint8_t, 8> out;
        const uint32_t id = Byte() % 8u;
        const uint32_t param = Byte();
        file.SubmitqueueQuery(id, param, std::span(out).first(Byte() % 9u))
            .status()
            .IgnoreError();
        break;
      }
      case 9:
        file.GemGetMemory(Handle()).status().IgnoreError();
        break;
      default:
        file.GetParam(Byte()).status().IgnoreError();
    }
  }

  void Export(msm::DrmFile& file) {
    if (dmabufs_.size() >= kMost) return;
    absl::StatusOr<Fd> dmabuf = file.GemExport(Handle());
    if (dmabuf.ok()) dmabufs_.push_back(*std::move(dmabuf));
  }

  // Writes a few stores and calls into a buffer.
  void Fill(msm::DrmFile& file) {
    const uint32_t handle = Handle();
    const absl::StatusOr<uint64_t> size = file.GemGetSize(handle);
    if (!size.ok()) return;
    const Mapping mapping =
        Mapping::Shared(file.GemGetMemory(handle).value().fd, 0, *size).value();
    auto* dwords = reinterpret_cast<volatile uint32_t*>(mapping.data());
    const size_t count = Byte() % 8;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t iova = Iova();
      const Opcode opcode =
          (Byte() & 1) != 0 ? Opcode::kMemWrite : Opcode::kIndirectBuffer;
      dwords[4 * i] = EncodeCommand(opcode, 3);
      dwords[4 * i + 1] = static_cast<uint32_t>(iova);
      dwords[4 * i + 2] = static_cast<uint32_t>(iova >> 32);
      dwords[4 * i + 3] = Byte();
    }
  }

  // `how`: bit 0 as a native client, bits 1 and 2 with flags.
  void Submit(SimulatedFile& file, uint8_t how) {
    if (fences_.size() + native_fences_.size() >= kMost) return;
    std::vector<msm::drm_msm_gem_submit_bo> bos(Byte() % 4);
    for (auto& bo : bos) {
      bo = {.flags = Byte() % 16u, .handle = Handle(), .presumed = 0};
    }
    std::vector<msm::drm_msm_gem_submit_cmd> cmds(Byte() % 3);
    for (auto& cmd : cmds) {
      cmd = {.type = Byte() % 4u,
             .submit_idx = Byte() % 4u,
             .submit_offset = Byte() * 4u,
             .size = Byte() * 4u,
             .pad = 0,
             .nr_relocs = 0,
             .relocs = 0};
    }
    const uint32_t no_implicit =
        (Byte() & 1) != 0 ? msm::MSM_SUBMIT_NO_IMPLICIT : 0;
    const uint32_t queue_id = Byte() % 8u;
    const uint32_t low = Byte();
    const msm::SubmitRequest request = {
        .flags = msm::MSM_PIPE_3D0 | no_implicit |
                 ((how & 2) != 0 ? uint32_t{msm::MSM_SUBMIT_FENCE_SN_IN} : 0) |
                 ((how & 4) != 0 ? uint32_t{msm::MSM_SUBMIT_FENCE_FD_IN} : 0),
        .queue_id = queue_id,
        .fence = low + (uint32_t{Byte()} << 8),
        .bos = bos,
        .cmds = cmds};
    if ((how & 1) == 0) {
      absl::StatusOr<Fd> fence = file.GemSubmit(request);
      if (fence.ok()) fences_.push_back(*std::move(fence));
      return;
    }
    // Behind the last one, whoever's it is.
    FenceSet dependencies;
    if (!native_fences_.empty()) dependencies.insert(native_fences_.back());
    auto submitted = file.Submit(request, std::move(dependencies));
    if (submitted.ok()) native_fences_.push_back(std::move(submitted->fence));
  }

  ByteReader input_;
  std::atomic<uint64_t> retired_ = 0;
  std::unique_ptr<SimulatedDevice> device_;
  std::array<std::unique_ptr<SimulatedFile>, 3> files_;
  std::vector<Fd> dmabufs_;
  std::vector<Fd> fences_;
  std::vector<std::shared_ptr<Fence>> native_fences_;
};

}  // namespace
}  // namespace nacre::simulator

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  nacre::simulator::Session({data, size}).Run();
  return 0;
}
