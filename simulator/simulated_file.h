#ifndef NACRE_SIMULATOR_SIMULATED_FILE_H_
#define NACRE_SIMULATOR_SIMULATED_FILE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "simulator/buffer_pool.h"
#include "simulator/chips.h"
#include "simulator/handle_table.h"
#include "simulator/job.h"
#include "simulator/submission.h"

namespace nacre::simulator {

// What a file needs of its device. Thread-safe.
class FileHost {
 public:
  virtual ~FileHost() = default;
  virtual const Chip& chip() const = 0;
  virtual BufferPool& buffers() = 0;
  // Faults of submissions whose file was closed.
  virtual uint64_t global_faults() const = 0;
  // Adds the implicit dependencies to `job`, arms it under `fence_number` or,
  // without one, under one that is chosen here, adds its fence to every buffer,
  // and the job to the scheduler, as one step with respect to all files. `uses`
  // are of the job's buffers, in their order. Returns the fence number. ENOMEM
  // where too much waits for the GPU, or an error of SubmitQueue::Arm: then
  // nothing has happened.
  virtual absl::StatusOr<uint32_t> Submit(
      std::unique_ptr<Job> job, std::span<const BufferUse> uses,
      std::optional<uint32_t> fence_number) = 0;
  virtual void OnFileClosed() = 0;
};

// An open msm render node (abi C; drivers/gpu/drm/msm of Linux 6.12): what the
// msm context asks of one, and what else the UAPI lets a native client ask.
// Used by one thread at a time.
class SimulatedFile final : public msm::DrmFile {
 public:
  // A cap against a client that fills the host's memory with what it never
  // closes; beyond it ENOMEM.
  static constexpr size_t kMaxSubmitQueues = 4096;

  SimulatedFile(FileHost& host, uint64_t id);
  ~SimulatedFile() override;

  absl::StatusOr<uint64_t> GetParam(uint32_t param) override;
  absl::Status SetParamString(uint32_t param,
                              const std::string& value) override;
  absl::StatusOr<uint32_t> GemNew(uint64_t size, uint32_t flags) override;
  absl::Status GemClose(uint32_t handle) override;
  absl::Status GemSetIova(uint32_t handle, uint64_t iova) override;
  absl::Status GemSetName(uint32_t handle, const std::string& name) override;
  absl::Status GemCpuPrep(uint32_t handle, uint32_t op) override;
  absl::StatusOr<msm::GemMemory> GemGetMemory(uint32_t handle) override;
  absl::StatusOr<uint64_t> GemGetSize(uint32_t handle) override;
  absl::StatusOr<Fd> GemExport(uint32_t handle) override;
  absl::StatusOr<uint32_t> GemImport(int dmabuf) override;
  absl::StatusOr<Fd> GemSubmit(const msm::SubmitRequest& request) override;
  absl::Status WaitFence(uint32_t queue_id, uint32_t fence,
                         uint32_t flags) override;
  absl::StatusOr<uint32_t> SubmitqueueNew(uint32_t flags,
                                          uint32_t prio) override;
  absl::Status SubmitqueueClose(uint32_t id) override;
  absl::StatusOr<uint32_t> SubmitqueueQuery(uint32_t id, uint32_t param,
                                            std::span<uint8_t> out) override;

  // GEM_INFO GET_IOVA: the present address, or one of the kernel's choice.
  absl::StatusOr<uint64_t> GemGetIova(uint32_t handle);
  // GEM_INFO GET_FLAGS: those of GEM_NEW; EINVAL for a foreign import.
  absl::StatusOr<uint32_t> GemGetFlags(uint32_t handle) const;
  absl::StatusOr<std::string> GemGetName(uint32_t handle) const;
  // EOVERFLOW for more than 128 bytes.
  absl::Status GemSetMetadata(uint32_t handle, std::vector<uint8_t> metadata);
  absl::StatusOr<std::vector<uint8_t>> GemGetMetadata(uint32_t handle) const;

  struct Submitted {
    uint32_t fence_number = 0;
    std::shared_ptr<Fence> fence;
  };
  // GEM_SUBMIT that runs after `dependencies`, fences of this device. Without
  // MSM_SUBMIT_FENCE_SN_IN the fence number is chosen here.
  absl::StatusOr<Submitted> Submit(const msm::SubmitRequest& request,
                                   FenceSet dependencies);
  // What Submit checks before anything else: ENOENT, EINVAL.
  absl::Status CheckSubmit(uint32_t flags, uint32_t queue_id) const;

 private:
  // A job that is not armed yet, and how it uses its buffers.
  struct Prepared {
    std::unique_ptr<Job> job;
    std::vector<BufferUse> uses;
  };
  absl::StatusOr<Prepared> Prepare(const msm::SubmitRequest& request);
  // The queue, or null.
  std::shared_ptr<SubmitQueue> FindQueue(uint32_t id) const;

  FileHost& host_;
  const std::shared_ptr<FileState> state_;
  HandleTable handles_;
  absl::flat_hash_map<uint32_t, std::shared_ptr<SubmitQueue>> queues_;
  uint32_t next_queue_id_ = 0;
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_SIMULATED_FILE_H_
