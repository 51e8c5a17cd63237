// Which ioctls a GPU's process can make: those that LibdrmDevice makes, by
// whole request code and on whichever file, and no other. A process of this
// program confines itself as a GPU's does and tries some hundred thousand
// codes on a device node: there is no other way to tell from outside what a
// filter lets pass.

#include <drm.h>
#include <fcntl.h>
#include <linux/random.h>
#include <setjmp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "devices/virtio_gpu/msm/libdrm_device.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nacre/gpu_process.h"
#include "nacre/jail/confine.h"
#include "nacre/jail/process.h"

namespace nacre {
namespace {

using testing::ElementsAreArray;
using testing::IsEmpty;

constexpr int kResultFd = jail::Process::kFirstFd;
constexpr char kForNode[] = "node";
constexpr char kForSimulated[] = "simulated";

// A request code (asm-generic/ioctl.h): number, type, size and direction.
constexpr uint64_t kNumbers = 1 << _IOC_NRBITS;
constexpr uint64_t kTypes = 1 << _IOC_TYPEBITS;
constexpr uint64_t kDirections = 1 << _IOC_DIRBITS;
// Greater than what any of DRM's takes.
constexpr uint64_t kSizes = 256;

// What DRM's headers have for others: who may set modes, authenticate, name
// buffers for all processes; modes and planes; memory of no GPU; fences.
constexpr uint32_t kOthers[] = {
    DRM_IOCTL_GET_UNIQUE,
    DRM_IOCTL_GET_MAGIC,
    DRM_IOCTL_AUTH_MAGIC,
    DRM_IOCTL_GET_CLIENT,
    DRM_IOCTL_SET_CLIENT_CAP,
    DRM_IOCTL_GET_CAP,
    DRM_IOCTL_SET_MASTER,
    DRM_IOCTL_DROP_MASTER,
    DRM_IOCTL_GEM_FLINK,
    DRM_IOCTL_GEM_OPEN,
    DRM_IOCTL_MODE_GETRESOURCES,
    DRM_IOCTL_MODE_SETCRTC,
    DRM_IOCTL_MODE_SETPLANE,
    DRM_IOCTL_MODE_ADDFB2,
    DRM_IOCTL_MODE_RMFB,
    DRM_IOCTL_MODE_PAGE_FLIP,
    DRM_IOCTL_MODE_ATOMIC,
    DRM_IOCTL_MODE_CREATE_DUMB,
    DRM_IOCTL_MODE_CREATE_LEASE,
    DRM_IOCTL_SYNCOBJ_CREATE,
    DRM_IOCTL_SYNCOBJ_WAIT,
    // msm's: GEM_CPU_FINI, GEM_MADVISE, GEM_SVM_NEW of older kernels.
    DRM_IOW(DRM_COMMAND_BASE + 0x05, uint32_t[1]),
    DRM_IOWR(DRM_COMMAND_BASE + 0x08, uint32_t[3]),
    DRM_IOWR(DRM_COMMAND_BASE + 0x09, uint64_t[3]),
};

std::vector<uint64_t> CodesToTry() {
  std::vector<uint64_t> codes(std::begin(kOthers), std::end(kOthers));
  // All of DRM's type.
  for (uint64_t direction = 0; direction < kDirections; ++direction) {
    for (uint64_t size = 0; size < kSizes; ++size) {
      for (uint64_t number = 0; number < kNumbers; ++number) {
        codes.push_back(
            _IOC(direction, uint64_t{DRM_IOCTL_BASE}, number, size));
      }
    }
  }
  for (const uint64_t code : msm::kLibdrmIoctls) {
    // The same of all other types, and what differs by a bit: of the sizes that
    // are not above, and of the half of the argument that the kernel ignores.
    for (uint64_t type = 0; type < kTypes; ++type) {
      codes.push_back(
          _IOC(_IOC_DIR(code), type, _IOC_NR(code), _IOC_SIZE(code)));
    }
    for (int bit = 0; bit < 64; ++bit) {
      codes.push_back(code ^ uint64_t{1} << bit);
    }
  }
  return codes;
}

sigjmp_buf g_refused;

// Whether the kernel got it: it knows none of these for that node, and says so
// by EINVAL.
bool Passes(int fd, uint64_t code) {
  if (sigsetjmp(g_refused, /*savemask=*/1) != 0) return false;
  return syscall(SYS_ioctl, fd, code, nullptr) == -1 && errno == EINVAL;
}

// This program, started again.
int TryAll(bool render_node) {
  const Fd node(open("/dev/urandom", O_RDONLY | O_CLOEXEC));
  int entropy = 0;
  if (ioctl(node.get(), RNDGETENTCNT, &entropy) != 0) return 3;
  const std::vector<uint64_t> codes = CodesToTry();
  const absl::Status confined = jail::Confine(
      {.namespaces = false,
       .ioctls = IoctlsOf({.namespaces = false, .render_node = render_node}),
       .report = [](int, uint32_t) { siglongjmp(g_refused, 1); }});
  if (!confined.ok()) return 2;
  for (const uint64_t code : codes) {
    if (Passes(node.get(), code) &&
        write(kResultFd, &code, sizeof(code)) != sizeof(code)) {
      return 4;
    }
  }
  // One that it did answer before.
  if (sigsetjmp(g_refused, /*savemask=*/1) != 0) return 0;
  ioctl(node.get(), RNDGETENTCNT, &entropy);
  return 5;
}

// The codes that pass the filter of a process that is started with `argument`.
std::set<uint64_t> PassingCodes(const char* argument) {
  std::array<int, 2> ends;
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  const int fd = writer.get();
  absl::StatusOr<jail::Process> process = jail::Process::Start(
      argument, std::span(&fd, 1), STDERR_FILENO, /*namespaces=*/false);
  writer.Reset();
  EXPECT_TRUE(process.ok()) << process.status();
  std::set<uint64_t> codes;
  if (!process.ok()) return codes;
  uint64_t code = 0;
  while (read(reader.get(), &code, sizeof(code)) == sizeof(code)) {
    codes.insert(code);
  }
  const auto end = process->Wait(std::chrono::seconds(30));
  EXPECT_TRUE(end.has_value());
  if (end) {
    EXPECT_EQ(jail::Describe(*end), "exit code 0");
  }
  return codes;
}

class GpuIoctlsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!jail::HasFilter()) {
      GTEST_SKIP() << "a sanitizer's runtime needs other calls";
    }
  }
};

TEST_F(GpuIoctlsTest, OnlyTheMsmDevicesPass) {
  EXPECT_THAT(PassingCodes(kForNode),
              ElementsAreArray(std::set<uint64_t>(msm::kLibdrmIoctls.begin(),
                                                  msm::kLibdrmIoctls.end())));
}

TEST_F(GpuIoctlsTest, NonePassesForASimulatedGpu) {
  EXPECT_THAT(PassingCodes(kForSimulated), IsEmpty());
}

}  // namespace
}  // namespace nacre

int main(int argc, char** argv) {
  const std::string argument = argc == 2 ? argv[1] : "";
  if (argument == nacre::kForNode) return nacre::TryAll(true);
  if (argument == nacre::kForSimulated) return nacre::TryAll(false);
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
