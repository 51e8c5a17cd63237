// What a GEM_SUBMIT costs in system calls: a process that may make none at all
// submits, through everything between the plug of virtio-gpu and the ioctl,
// which is counted in the kernel's stead. Once in some hundred submits, where
// nobody knows whether the work before is finished, there is more:
// UnfinishedWork has a checkpoint made.

#include <drm.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "base/page_size.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/msm/libdrm_device.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

// Says yes to everything.
class CountingKernel final : public DrmIoctl {
 public:
  int Call(int, uint32_t request, void* argument) override {
    ++calls;
    switch (request) {
      case DRM_IOCTL_VERSION: {
        auto* version = static_cast<drm_version*>(argument);
        version->version_major = 1;
        version->version_minor = 12;
        std::memcpy(version->name, "msm", 3);
        version->name_len = 3;
        return 0;
      }
      case DRM_IOCTL_MSM_GET_PARAM:
        static_cast<drm_msm_param*>(argument)->value = 3;
        return 0;
      case DRM_IOCTL_MSM_GEM_NEW:
        static_cast<drm_msm_gem_new*>(argument)->handle = 1;
        return 0;
      case DRM_IOCTL_MSM_GEM_SUBMIT:
        ++submits;
        return 0;
      case DRM_IOCTL_MSM_WAIT_FENCE:
        ++waits;
        return 0;
      default:
        return 0;
    }
  }

  int calls = 0;
  int submits = 0;
  int waits = 0;
};

// From now on every system call but exit_group ends the process.
bool ForbidSystemCalls() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const sock_fprog filter = {std::size(program), program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

enum ExitCode { kOnlySubmits, kOtherCalls, kNoFilter };

// A guest with a buffer, and a GEM_SUBMIT of it.
struct SubmittingGuest {
  SubmittingGuest() {
    const drm_msm_gem_submit_bo bo = {
        .flags = MSM_SUBMIT_BO_READ,
        .handle = *guest.NewBuffer(HostPageSize(), kLargestPageSize),
        .presumed = 0};
    stream.Add(MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, 1, 0, 1}, AsBytes(bo));
  }
  bool Submit() {
    return guest.context().Submit(stream.bytes(), std::nullopt).ok();
  }

  CountingKernel kernel;
  const std::unique_ptr<LibdrmDevice> device = *LibdrmDevice::Create(
      "node", kernel, [] { return OpenRenderNode("/dev/null"); });
  const std::unique_ptr<MsmContextType> type = *MsmContextType::Create(*device);
  Guest guest{*type};
  CcmdStream stream;
};

[[noreturn]] void SubmitWithoutSystemCalls() {
  constexpr int kSubmits = 200;
  SubmittingGuest guest;
  CountingKernel& kernel = guest.kernel;
  // Memory that is kept is there after the first one.
  guest.Submit();
  kernel.calls = kernel.submits = 0;
  if (!ForbidSystemCalls()) _exit(kNoFilter);
  bool ok = true;
  for (int i = 0; i < kSubmits; ++i) {
    ok &= guest.Submit();
  }
  // Whoever runs this slowly sees a look at MSM_PARAM_FAULTS every 50 ms.
  ok &= kernel.submits == kSubmits && kernel.waits == 0 &&
        kernel.calls < 2 * kSubmits;
  _exit(ok ? kOnlySubmits : kOtherCalls);
}

// UBSan asks the kernel which memory may be read, TSan for memory of its own.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define NACRE_SANITIZED
#endif
#endif
#ifdef NACRE_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

TEST(SubmitCallsTest, WithoutAFenceASubmitIsOneIoctlAndNothingElse) {
  if (kSanitized || prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) {
    GTEST_SKIP() << "no seccomp, or a runtime with calls of its own";
  }
  EXPECT_EXIT(SubmitWithoutSystemCalls(), testing::ExitedWithCode(kOnlySubmits),
              "");
}

// A checkpoint where all is finished: no submit, no fence.
TEST(SubmitCallsTest, AtACheckpointOneMoreIoctlTellsThatWorkIsFinished) {
  constexpr int kSubmits = 10000;
  SubmittingGuest guest;
  CountingKernel& kernel = guest.kernel;
  kernel.submits = kernel.waits = 0;
  for (int i = 0; i < kSubmits; ++i) {
    ASSERT_TRUE(guest.Submit());
  }
  EXPECT_EQ(kernel.submits, kSubmits);
  EXPECT_GT(kernel.waits, 0);
  EXPECT_LE(kernel.waits, kSubmits / 200);
}

}  // namespace
}  // namespace nacre::msm
