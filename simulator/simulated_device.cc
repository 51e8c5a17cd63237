#include "simulator/simulated_device.h"

#include <atomic>
#include <cerrno>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/checked.h"
#include "base/counter.h"
#include "base/errno_status.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "glog/logging.h"
#include "simulator/buffer_pool.h"
#include "simulator/command_processor.h"
#include "simulator/scheduler.h"
#include "simulator/simulated_file.h"

namespace nacre::simulator {

class SimulatedDevice::Impl final : public FileHost {
 public:
  Impl(const SimulatorConfig& config, const Chip& chip)
      : chip_(chip),
        is_timed_(GpuClock({.model = config.time_model}).enabled()),
        on_retired_(config.on_retired),
        queue_limit_(config.queue_limit),
        buffers_(config.memory_limit, config.page_size),
        scheduler_([this](std::unique_ptr<Job> job) { Run(std::move(job)); }) {}

  ~Impl() override { stop_.store(true, std::memory_order_relaxed); }

  const Chip& chip() const override { return chip_; }
  BufferPool& buffers() override { return buffers_; }
  uint64_t global_faults() const override { return global_faults_.load(); }
  absl::StatusOr<uint32_t> Submit(
      std::unique_ptr<Job> job, std::span<const BufferUse> uses,
      std::optional<uint32_t> fence_number) override;
  void OnFileClosed() override { --files_open_; }

  // Once, before the first submission.
  absl::Status Start(const SimulatorConfig& config);

  std::unique_ptr<SimulatedFile> Open() {
    ++files_open_;
    return std::make_unique<SimulatedFile>(*this, next_file_id_++);
  }

  SimulatorStats stats() const;

 private:
  // On the GPU thread; in the destructor also without one.
  void Run(std::unique_ptr<Job> job);
  void RunCommands(const Job& job);

  const Chip& chip_;
  const bool is_timed_;
  const std::function<void()> on_retired_;
  const uint64_t queue_limit_;
  BufferPool buffers_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> next_file_id_{0};
  std::atomic<uint64_t> files_open_{0};
  SharedGauge queued_bytes_;  // Of jobs that are not retired.
  std::atomic<uint64_t> submissions_{0};
  std::atomic<uint64_t> submissions_retired_{0};
  std::atomic<uint64_t> faults_{0};
  std::atomic<uint64_t> global_faults_{0};

  mutable Mutex stats_mutex_;
  CommandProcessorStats command_processor_stats_ ABSL_GUARDED_BY(stats_mutex_);

  // The GPU thread's.
  std::unique_ptr<CommandProcessor> command_processor_;
  std::optional<uint64_t> last_file_id_;

  // Held while a submission's fences are collected and added: two submissions
  // of the same buffers would else wait for each other.
  Mutex submit_mutex_;
  Scheduler scheduler_;
};

absl::Status SimulatedDevice::Impl::Start(const SimulatorConfig& config) {
  ASSIGN_OR_RETURN(command_processor_, CommandProcessor::Create(
                                           {.generation = chip_.generation,
                                            .gmem_base = chip_.gmem_base,
                                            .gmem_size = chip_.gmem_size,
                                            .hang_timeout = config.hang_timeout,
                                            .reset_time = config.reset_time,
                                            .time_model = config.time_model,
                                            .work_limit = config.work_limit,
                                            .stop = &stop_}));
  return scheduler_.Start();
}

absl::StatusOr<uint32_t> SimulatedDevice::Impl::Submit(
    std::unique_ptr<Job> job, std::span<const BufferUse> uses,
    std::optional<uint32_t> fence_number) {
  MutexLock lock(submit_mutex_);
  const std::shared_ptr<Fence>& fence = job->fence;
  for (size_t i = 0; i < uses.size(); ++i) {
    if (!uses[i].implicit) continue;
    job->buffers[i]->reservation().AddDependencies(
        uses[i].use, fence->context(), job->dependencies);
  }
  const uint64_t bytes = job->bytes();
  if (!queued_bytes_.AddUpTo(queue_limit_, bytes)) {
    return ErrnoStatus(ENOMEM, "too much waits for the GPU");
  }
  if (!fence_number) {
    fence_number = job->queue->ArmNext(fence);
  } else if (absl::Status armed = job->queue->Arm(*fence_number, fence);
             !armed.ok()) {
    queued_bytes_.Subtract(bytes);
    return armed;
  }
  job->fence_number = *fence_number;
  ++submissions_;
  if (is_timed_) job->submitted = GpuClock::Clock::now();
  for (size_t i = 0; i < uses.size(); ++i) {
    job->buffers[i]->reservation().Add(fence, uses[i].use);
  }
  scheduler_.Submit(std::move(job));
  return *fence_number;
}

void SimulatedDevice::Impl::Run(std::unique_ptr<Job> job) {
  const std::shared_ptr<FileState> file = job->file;
  if (!file->closed.load() && !stop_.load()) RunCommands(*job);

  const std::shared_ptr<Fence> fence = job->fence;
  fence->MarkSignalled();
  job->queue->Retire(job->fence_number);
  const uint64_t bytes = job->bytes();
  job.reset();
  queued_bytes_.Subtract(bytes);
  ++submissions_retired_;
  fence->WakePollers();
  if (on_retired_) on_retired_();
}

void SimulatedDevice::Impl::RunCommands(const Job& job) {
  std::vector<IndirectBuffer> buffers;
  for (const Job::Command& command : job.commands) {
    if (command.only_after_switch && last_file_id_ == job.file->id) continue;
    buffers.push_back(command.buffer);
  }
  last_file_id_ = job.file->id;
  const Hang hang =
      command_processor_->Run(job.file->space, buffers, job.submitted);
  if (hang != Hang::kNone && hang != Hang::kDeviceGone) {
    constexpr int kMaxLoggedHangs = 20;
    LOG_FIRST_N(WARNING, kMaxLoggedHangs)
        << "simulated GPU: submission " << job.fence_number << " of file "
        << job.file->id << " ended early: " << HangName(hang);
    job.queue->AddFault();
    ++faults_;
    if (job.file->closed.load()) {
      ++global_faults_;
    } else {
      ++job.file->faults;
    }
  }
  MutexLock lock(stats_mutex_);
  command_processor_stats_.Add(command_processor_->TakeStats());
}

SimulatorStats SimulatedDevice::Impl::stats() const {
  const BufferPool::Usage usage = buffers_.usage();
  SimulatorStats stats;
  // In this order: never more retired than submitted.
  stats.submissions_retired = submissions_retired_.load();
  stats.submissions = submissions_.load();
  stats.files_open = files_open_.load();
  stats.faults = faults_.load();
  stats.buffers = usage.buffers;
  stats.buffers_peak = usage.buffers_peak;
  stats.buffer_bytes = usage.bytes;
  stats.buffer_bytes_peak = usage.bytes_peak;
  MutexLock lock(stats_mutex_);
  stats.command_processor = command_processor_stats_;
  return stats;
}

absl::StatusOr<std::unique_ptr<SimulatedDevice>> SimulatedDevice::Create(
    const SimulatorConfig& config) {
  ASSIGN_OR_RETURN(const Chip* chip, FindChip(config.chip));
  if (!IsPowerOfTwo(config.page_size) || config.page_size < HostPageSize()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a simulated kernel with pages of ", config.page_size,
                     " bytes: a power of two of at least ", HostPageSize()));
  }
  if (config.time_model.submission.count() > 0 &&
      config.time_model.submission >= config.hang_timeout) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a time model of ", config.time_model.submission.count(),
        " us a submission: it must be shorter than the ",
        config.hang_timeout.count(), " ms after which one counts as hung"));
  }
  auto impl = std::make_unique<Impl>(config, *chip);
  RETURN_IF_ERROR(impl->Start(config));
  return std::unique_ptr<SimulatedDevice>(new SimulatedDevice(std::move(impl)));
}

SimulatedDevice::SimulatedDevice(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

SimulatedDevice::~SimulatedDevice() = default;

msm::DriverVersion SimulatedDevice::version() const {
  return {.major = 1, .minor = 12, .patchlevel = 0};
}

uint64_t SimulatedDevice::page_size() const {
  return impl_->buffers().page_size();
}

msm::CpuCaching SimulatedDevice::CachingOf(uint32_t /*flags*/) const {
  return msm::CpuCaching::kCached;
}

absl::StatusOr<std::unique_ptr<msm::DrmFile>> SimulatedDevice::Open() {
  return impl_->Open();
}

std::unique_ptr<SimulatedFile> SimulatedDevice::OpenFile() {
  return impl_->Open();
}

const Chip& SimulatedDevice::chip() const { return impl_->chip(); }

SimulatorStats SimulatedDevice::stats() const { return impl_->stats(); }

}  // namespace nacre::simulator
