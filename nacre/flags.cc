#include "nacre/flags.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nacre/config.h"

namespace nacre {
namespace {

struct Flags {
  bool probe = false;
  std::string config;
  std::optional<std::string> kernel;
  std::optional<std::string> initrd;
  std::optional<std::string> command_line;
  std::optional<uint32_t> vcpus;
  std::optional<uint32_t> memory_mib;
  std::optional<std::string> gpu;
  std::optional<std::string> gpu_jail;
  std::optional<uint64_t> gpu_window_mib;
  std::optional<uint32_t> gpu_submission_us;
  std::optional<uint32_t> gpu_megabytes_per_second;
  std::optional<uint32_t> gpu_megapixels_per_second;
  std::optional<std::string> gpu_limits;
  std::optional<std::string> summary;
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("--config", flags.config,
                 "A VmConfig (proto/vm_config.proto) in text format; the "
                 "other flags override its fields");
  app.add_option(
      "--kernel", flags.kernel,
      "The guest's kernel: a bzImage or a vmlinux, on aarch64 an Image");
  app.add_option("--initrd", flags.initrd, "The guest's initial RAM disk");
  app.add_option("--cmdline", flags.command_line,
                 "The kernel's command line (default: console=ttyS0)");
  app.add_option("--vcpus", flags.vcpus, "Virtual CPUs (default: 2)");
  app.add_option("--memory-mib", flags.memory_mib,
                 "The guest's RAM in MiB (default: 1024)");
  app.add_option("--gpu", flags.gpu,
                 "sim:a630, sim:a660 or sim:a730 (the simulated GPU; default: "
                 "sim:a660), the path of an msm render node, or none");
  app.add_option("--gpu-jail", flags.gpu_jail,
                 "Where the GPU's device runs: best-effort (in a process that "
                 "may do no more than it needs, as far as this system allows; "
                 "default), required, or off (in this process)");
  app.add_option("--gpu-window-mib", flags.gpu_window_mib,
                 "Size of the host-visible window in MiB, a power of two up to "
                 "32768 (default: 4096)");
  app.add_option("--gpu-submission-us", flags.gpu_submission_us,
                 "Time that the simulated GPU takes for each submission, in "
                 "microseconds (default: what the simulation takes)");
  app.add_option("--gpu-megabytes-per-second", flags.gpu_megabytes_per_second,
                 "The simulated GPU's memory bandwidth, from which follows how "
                 "long each submission takes (default: unlimited)");
  app.add_option("--gpu-megapixels-per-second", flags.gpu_megapixels_per_second,
                 "The same of its fill rate (default: unlimited)");
  app.add_option(
      "--gpu-limits", flags.gpu_limits,
      "What the guest may hold through the device, fields of GpuLimits "
      "(proto/vm_config.proto says what the guest gets beyond each): "
      "'contexts: 16 buffers_mib: 1024' for example. Defaults: contexts: 4096 "
      "native_contexts: 1024 resources: 131072 buffers_mib: 16384 "
      "context_buffers_mib: 8192 submitqueues: 256 unfinished_mib: 1024 "
      "context_unfinished_mib: 128 pending_fences: 512 "
      "mapped_blobs: 24000 mapped_mib: the window's size "
      "log_lines_per_second: 10");
  app.add_option("--summary", flags.summary,
                 "A file to write the summary to, as JSON");
  app.add_flag("--probe", flags.probe,
               "Say whether /dev/kvm here can run a stock guest, and exit: 0 "
               "if so, 1 if not");
}

// A flag overrides the field, so that giving memory by flag replaces regions.
absl::StatusOr<VmConfig> Overlay(const Flags& flags, VmConfig config) {
  if (flags.kernel) config.mutable_boot()->set_kernel(*flags.kernel);
  if (flags.initrd) config.mutable_boot()->set_initrd(*flags.initrd);
  if (flags.command_line) {
    config.mutable_boot()->set_command_line(*flags.command_line);
  }
  if (flags.vcpus) config.set_vcpus(*flags.vcpus);
  if (flags.memory_mib) {
    config.clear_memory_region();
    config.set_memory_mib(*flags.memory_mib);
  }
  if (flags.gpu) config.mutable_gpu()->set_device(*flags.gpu);
  if (flags.gpu_jail) config.mutable_gpu()->set_jail(*flags.gpu_jail);
  if (flags.gpu_window_mib) {
    config.mutable_gpu()->set_window_mib(*flags.gpu_window_mib);
  }
  if (flags.gpu_submission_us) {
    config.mutable_gpu()->mutable_time()->set_submission_us(
        *flags.gpu_submission_us);
  }
  if (flags.gpu_megabytes_per_second) {
    config.mutable_gpu()->mutable_time()->set_megabytes_per_second(
        *flags.gpu_megabytes_per_second);
  }
  if (flags.gpu_megapixels_per_second) {
    config.mutable_gpu()->mutable_time()->set_megapixels_per_second(
        *flags.gpu_megapixels_per_second);
  }
  if (flags.gpu_limits) {
    RETURN_IF_ERROR(MergeText(*flags.gpu_limits, "--gpu-limits",
                              *config.mutable_gpu()->mutable_limits()));
  }
  if (flags.summary) config.set_summary_path(*flags.summary);
  return config;
}

}  // namespace

absl::StatusOr<Command> ParseCommandLine(int argc, const char* const* argv) {
  CLI::App app(
      "Boots a Linux guest on KVM with Nacre's virtio-gpu device.\n"
      "Exit code: 0 the guest powered off; 1 the guest reported a failure; 2 "
      "wrong flags, config or files, or a host that lacks what they need; 3 "
      "the guest crashed; 4 an internal error; 5 told to stop.",
      "nacre");
  Flags flags;
  Declare(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return ShowHelp{app.help()};
  } catch (const CLI::ParseError& error) {
    std::string message = error.what();
    std::replace(message.begin(), message.end(), '\n', ' ');
    return absl::InvalidArgumentError(
        absl::StrCat(message, "; --help lists the flags"));
  }
  if (flags.probe) return Probe{};
  VmConfig config;
  if (!flags.config.empty()) {
    ASSIGN_OR_RETURN(config, LoadConfig(flags.config));
  }
  ASSIGN_OR_RETURN(config, Overlay(flags, std::move(config)));
  RETURN_IF_ERROR(ValidateConfig(config));
  return RunVm{std::move(config)};
}

}  // namespace nacre
