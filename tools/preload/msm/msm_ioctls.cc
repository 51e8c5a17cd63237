#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "tools/preload/ioctl_table.h"
#include "tools/preload/msm/msm_node.h"
#include "tools/preload/msm/native_uapi.h"
#include "tools/preload/user_pointer.h"

// The msm driver's ioctls (msm_drv.c, msm_gem.c, msm_submitqueue.c,
// adreno_gpu.c), but for GEM_SUBMIT.

namespace nacre::preload {
namespace {

using namespace msm;  // NOLINT: the kernel's names, as the kernel writes them.
using simulator::SimulatedFile;

constexpr int kETooSmall =
    525;  // Kernel-internal, but that is what it answers.

// Absolute CLOCK_MONOTONIC; times that cannot be counted are now or never.
Changes::Deadline DeadlineOf(const drm_msm_timespec& timeout) {
  using std::chrono::nanoseconds;
  using std::chrono::seconds;
  constexpr int64_t kMaxSeconds =
      std::numeric_limits<int64_t>::max() / 1'000'000'000 - 1;
  if (timeout.tv_sec < 0) return Changes::Deadline();
  return Changes::Deadline(seconds(std::min(timeout.tv_sec, kMaxSeconds)) +
                           nanoseconds(timeout.tv_nsec));
}

// Repeats `attempt` while it answers `pending`, until the deadline.
template <typename Attempt>
absl::Status WaitWhile(MsmNode& node, int pending, Changes::Deadline deadline,
                       Attempt attempt) {
  absl::Status status;
  node.gpu().changes().WaitUntil(deadline, [&] {
    status = node.WithFile(attempt);
    return StatusErrno(status) != pending;
  });
  return status;
}

absl::Status CheckPipe(const drm_msm_param& argument, const char* what) {
  if (argument.pipe == MSM_PIPE_3D0 && argument.pad == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(EINVAL, what);
}

absl::Status GetParam(MsmNode& node, drm_msm_param& argument) {
  RETURN_IF_ERROR(CheckPipe(argument, "GET_PARAM"));
  if (argument.len != 0) return ErrnoStatus(EINVAL, "GET_PARAM with a length");
  ASSIGN_OR_RETURN(argument.value, node.WithFile([&](SimulatedFile& file) {
    return file.GetParam(argument.param);
  }));
  return absl::OkStatus();
}

absl::Status SetParam(MsmNode& node, drm_msm_param& argument) {
  RETURN_IF_ERROR(CheckPipe(argument, "SET_PARAM"));
  if (argument.param == MSM_PARAM_SYSPROF && argument.len == 0) {
    return ErrnoStatus(EPERM, "SET_PARAM SYSPROF needs CAP_SYS_ADMIN");
  }
  const bool is_string =
      argument.param == MSM_PARAM_COMM || argument.param == MSM_PARAM_CMDLINE;
  if (!is_string || argument.len > node.gpu().device().page_size()) {
    return ErrnoStatus(EINVAL, "SET_PARAM");
  }
  const std::string value(UserPointer<const char>(argument.value),
                          argument.len);
  return node.WithFile([&](SimulatedFile& file) {
    return file.SetParamString(argument.param, value);
  });
}

absl::Status GemNew(MsmNode& node, drm_msm_gem_new& argument) {
  ASSIGN_OR_RETURN(argument.handle, node.WithFile([&](SimulatedFile& file) {
    return file.GemNew(argument.size, argument.flags);
  }));
  return absl::OkStatus();
}

absl::Status SetName(SimulatedFile& file, const drm_msm_gem_info& argument) {
  // The length is checked before the text is read.
  if (argument.len >= 32) return ErrnoStatus(EINVAL, "SET_NAME");
  return file.GemSetName(
      argument.handle,
      std::string(UserPointer<const char>(argument.value), argument.len));
}

absl::Status GetName(SimulatedFile& file, drm_msm_gem_info& argument) {
  ASSIGN_OR_RETURN(const std::string name, file.GemGetName(argument.handle));
  if (argument.value != 0) {
    if (argument.len < name.size()) return ErrnoStatus(kETooSmall, "GET_NAME");
    std::memcpy(UserPointer<char>(argument.value), name.data(), name.size());
  }
  argument.len = static_cast<uint32_t>(name.size());
  return absl::OkStatus();
}

absl::Status SetMetadata(SimulatedFile& file,
                         const drm_msm_gem_info& argument) {
  constexpr uint32_t kMaxSize = 128;
  if (argument.len > kMaxSize) return ErrnoStatus(EOVERFLOW, "SET_METADATA");
  const auto* bytes = UserPointer<const uint8_t>(argument.value);
  return file.GemSetMetadata(argument.handle, {bytes, bytes + argument.len});
}

absl::Status GetMetadata(SimulatedFile& file, drm_msm_gem_info& argument) {
  ASSIGN_OR_RETURN(const std::vector<uint8_t> metadata,
                   file.GemGetMetadata(argument.handle));
  if (argument.value != 0) {
    if (argument.len < metadata.size()) {
      return ErrnoStatus(kETooSmall, "GET_METADATA");
    }
    std::copy(metadata.begin(), metadata.end(),
              UserPointer<uint8_t>(argument.value));
  }
  argument.len = static_cast<uint32_t>(metadata.size());
  return absl::OkStatus();
}

absl::Status InfoOf(SimulatedFile& file, drm_msm_gem_info& argument) {
  // Of objects that exist; whatever is asked.
  RETURN_IF_ERROR(file.GemGetSize(argument.handle).status());
  switch (argument.info) {
    case MSM_INFO_GET_OFFSET:
      argument.value = MsmNode::OffsetOf(argument.handle);
      return absl::OkStatus();
    case MSM_INFO_GET_IOVA: {
      ASSIGN_OR_RETURN(argument.value, file.GemGetIova(argument.handle));
      return absl::OkStatus();
    }
    case MSM_INFO_SET_IOVA:
      return file.GemSetIova(argument.handle, argument.value);
    case MSM_INFO_GET_FLAGS: {
      ASSIGN_OR_RETURN(argument.value, file.GemGetFlags(argument.handle));
      return absl::OkStatus();
    }
    case MSM_INFO_SET_NAME:
      return SetName(file, argument);
    case MSM_INFO_GET_NAME:
      return GetName(file, argument);
    case MSM_INFO_SET_METADATA:
      return SetMetadata(file, argument);
    default:
      return GetMetadata(file, argument);
  }
}

absl::Status GemInfo(MsmNode& node, drm_msm_gem_info& argument) {
  const bool by_value = argument.info == MSM_INFO_GET_OFFSET ||
                        argument.info == MSM_INFO_GET_IOVA ||
                        argument.info == MSM_INFO_SET_IOVA ||
                        argument.info == MSM_INFO_GET_FLAGS;
  if (argument.pad != 0 || argument.info > MSM_INFO_GET_METADATA ||
      (by_value && argument.len != 0)) {
    return ErrnoStatus(EINVAL, absl::StrCat("GEM_INFO ", argument.info));
  }
  return node.WithFile(
      [&](SimulatedFile& file) { return InfoOf(file, argument); });
}

absl::Status GemCpuPrep(MsmNode& node, drm_msm_gem_cpu_prep& argument) {
  const Changes::Deadline deadline = (argument.op & MSM_PREP_NOSYNC) != 0
                                         ? Changes::Deadline()
                                         : DeadlineOf(argument.timeout);
  const bool may_wait = deadline > std::chrono::steady_clock::now();
  absl::Status status =
      WaitWhile(node, EBUSY, deadline, [&](SimulatedFile& file) {
        return file.GemCpuPrep(argument.handle, argument.op);
      });
  if (StatusErrno(status) != EBUSY || !may_wait) return status;
  return ErrnoStatus(ETIMEDOUT, "CPU_PREP");
}

absl::Status GemCpuFini(MsmNode& node, drm_msm_gem_cpu_fini& argument) {
  return node.WithFile([&](SimulatedFile& file) {
    return file.GemGetSize(argument.handle).status();
  });
}

absl::Status GemMadvise(MsmNode& node, drm_msm_gem_madvise& argument) {
  if (argument.madv > MSM_MADV_DONTNEED) return ErrnoStatus(EINVAL, "MADVISE");
  RETURN_IF_ERROR(node.WithFile([&](SimulatedFile& file) {
    return file.GemGetSize(argument.handle).status();
  }));
  argument.retained = 1;  // Memory is never so short that it is purged.
  return absl::OkStatus();
}

absl::Status WaitFence(MsmNode& node, drm_msm_wait_fence& argument) {
  return WaitWhile(
      node, ETIMEDOUT, DeadlineOf(argument.timeout), [&](SimulatedFile& file) {
        return file.WaitFence(argument.queueid, argument.fence, argument.flags);
      });
}

absl::Status SubmitqueueNew(MsmNode& node, drm_msm_submitqueue& argument) {
  ASSIGN_OR_RETURN(argument.id, node.WithFile([&](SimulatedFile& file) {
    return file.SubmitqueueNew(argument.flags, argument.prio);
  }));
  return absl::OkStatus();
}

absl::Status SubmitqueueClose(MsmNode& node, drm_msm_submitqueue_id& argument) {
  return node.WithFile(
      [&](SimulatedFile& file) { return file.SubmitqueueClose(argument.id); });
}

absl::Status SubmitqueueQuery(MsmNode& node,
                              drm_msm_submitqueue_query& argument) {
  if (argument.pad != 0) return ErrnoStatus(EINVAL, "SUBMITQUEUE_QUERY");
  return node.WithFile([&](SimulatedFile& file) {
    return file
        .SubmitqueueQuery(argument.id, argument.param,
                          {UserPointer<uint8_t>(argument.data), argument.len})
        .status();
  });
}

}  // namespace

std::span<const IoctlEntry> MsmIoctls() {
  static constexpr std::array kEntries = {
      Handles<DRM_IOCTL_MSM_GEM_INFO, GemInfo>(),
      Handles<DRM_IOCTL_MSM_GEM_NEW, GemNew>(),
      Handles<DRM_IOCTL_MSM_GEM_CPU_PREP, GemCpuPrep>(),
      Handles<DRM_IOCTL_MSM_GEM_CPU_FINI, GemCpuFini>(),
      Handles<DRM_IOCTL_MSM_GEM_MADVISE, GemMadvise>(),
      Handles<DRM_IOCTL_MSM_WAIT_FENCE, WaitFence>(),
      Handles<DRM_IOCTL_MSM_GET_PARAM, GetParam>(),
      Handles<DRM_IOCTL_MSM_SET_PARAM, SetParam>(),
      Handles<DRM_IOCTL_MSM_SUBMITQUEUE_NEW, SubmitqueueNew>(),
      Handles<DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, SubmitqueueClose>(),
      Handles<DRM_IOCTL_MSM_SUBMITQUEUE_QUERY, SubmitqueueQuery>(),
  };
  return kEntries;
}

}  // namespace nacre::preload
