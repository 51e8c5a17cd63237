// A process in the hands of somebody else tries what a device never does. Each
// attempt is made in a process of its own, this program started again, and is
// made twice: in the whole jail, and without the system call filter, to see
// what the layers behind it hold.

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/random.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/fd.h"
#include "base/file_status.h"
#include "gtest/gtest.h"
#include "nacre/jail/confine.h"
#include "nacre/jail/filter.h"
#include "nacre/jail/landlock.h"
#include "nacre/jail/log_relay.h"
#include "nacre/jail/process.h"

namespace nacre::jail {
namespace {

// DRM_IOCTL_MSM_GEM_NEW; the same with another size; DRM_IOCTL_SET_MASTER.
constexpr uint32_t kAllowedIoctl = 0xc0106442;
constexpr uint32_t kLongerIoctl = 0xc0206442;
constexpr uint32_t kOtherIoctl = 0x0000641e;

constexpr int kEnded = -1;  // By the filter.
constexpr int kPage = 4096;

struct Attempt {
  const char* name;
  // As a system call: -1 and errno, or another value.
  int64_t (*make)();
  int in_jail;  // The errno that it gets, 0 for success, or kEnded.
  // The same without the filter; nullopt where other layers do not care.
  std::optional<int> without_filter;
};

int NullFd() {
  static const int fd = eventfd(0, 0);
  return fd;
}

// A device that this machine has for sure, and that answers.
int DeviceFd() {
  static const int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  return fd;
}

// At most as many threads, for good.
int64_t HaveThreads(uint64_t allowed) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NPROC, &limit) != 0) return -1;
  errno = EAGAIN;
  return limit.rlim_max <= allowed ? -1 : 0;
}

constexpr Attempt kAttempts[] = {
    {"OpenAFile",
     [] { return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", 0); }, EPERM,
     ENOENT},
    {"OpenTheRoot", [] { return syscall(SYS_openat, AT_FDCWD, "/proc", 0); },
     EPERM, ENOENT},
    {"MakeAFile",
     [] { return syscall(SYS_openat, AT_FDCWD, "/x", O_CREAT | O_RDWR, 0600); },
     EPERM, EROFS},
    {"MakeAFolder", [] { return syscall(SYS_mkdirat, AT_FDCWD, "/x", 0700); },
     kEnded, EROFS},
    {"LookUpAPath",
     [] { return syscall(SYS_faccessat, AT_FDCWD, "/etc/passwd", R_OK); },
     EPERM, ENOENT},
    {"LookUpAPathAsIfItWereEmpty",
     [] {
       struct stat status = {};
       return syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &status,
                      AT_EMPTY_PATH);
     },
     EPERM, ENOENT},
    {"MakeASocket", [] { return int64_t{socket(AF_INET, SOCK_STREAM, 0)}; },
     kEnded, std::nullopt},
    {"MakeALocalSocket",
     [] { return int64_t{socket(AF_UNIX, SOCK_STREAM, 0)}; }, kEnded,
     std::nullopt},
    {"ConnectToTheNetwork",
     [] {
       const int fd = socket(AF_INET, SOCK_DGRAM, 0);
       sockaddr_in address = {};
       address.sin_family = AF_INET;
       address.sin_port = htons(53);
       address.sin_addr.s_addr = htonl(0x7f000001);
       return int64_t{
           connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address))};
     },
     kEnded, ENETUNREACH},
    {"AnIoctlOfOurs", [] { return int64_t{ioctl(NullFd(), kAllowedIoctl)}; },
     ENOTTY, ENOTTY},
    {"AnIoctlOfAnotherSize",
     [] { return int64_t{ioctl(NullFd(), kLongerIoctl)}; }, kEnded,
     std::nullopt},
    {"AskADevice",
     [] {
       int bits = 0;
       return int64_t{ioctl(DeviceFd(), RNDGETENTCNT, &bits)};
     },
     kEnded, 0},
    {"AnotherIoctlOfTheNode",
     [] { return int64_t{ioctl(NullFd(), kOtherIoctl)}; }, kEnded,
     std::nullopt},
    {"AnIoctlWithMoreBits",
     [] {
       return syscall(SYS_ioctl, NullFd(), kAllowedIoctl | uint64_t{1} << 32);
     },
     kEnded, std::nullopt},
    {"MakeAFileBlock",
     [] {
       int off = 0;
       return int64_t{ioctl(NullFd(), FIONBIO, &off)};
     },
     kEnded, std::nullopt},
    {"MakeAFileBlockByFlag",
     [] { return int64_t{fcntl(NullFd(), F_SETFL, 0)}; }, kEnded, std::nullopt},
    {"Ptrace", [] { return ptrace(PTRACE_ATTACH, 1, 0, 0); }, kEnded,
     std::nullopt},
    {"PtraceOurselves", [] { return ptrace(PTRACE_TRACEME, 0, 0, 0); }, kEnded,
     std::nullopt},
    {"ReadAnothersMemory",
     [] { return syscall(SYS_process_vm_readv, 1, nullptr, 0, nullptr, 0, 0); },
     kEnded, std::nullopt},
    {"Execute",
     [] {
       char name[] = "/proc/self/exe";
       char* arguments[] = {name, nullptr};
       return int64_t{execve(name, arguments, nullptr)};
     },
     kEnded, ENOENT},
    {"ExecuteADescriptor",
     [] { return syscall(SYS_execveat, 0, "", nullptr, nullptr, 0x1000); },
     kEnded, std::nullopt},
    {"Fork", [] { return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }, kEnded,
     std::nullopt},
    {"ForkByClone3", [] { return syscall(SYS_clone3, nullptr, 0); }, ENOSYS,
     EINVAL},
    {"NewNamespaces", [] { return int64_t{unshare(CLONE_NEWNS)}; }, kEnded,
     EPERM},
    {"SignalAnother", [] { return int64_t{kill(1, SIGTERM)}; }, kEnded,
     std::nullopt},
    {"SignalEverybody", [] { return int64_t{kill(-1, 0)}; }, kEnded, ESRCH},
    {"SignalByThread", [] { return syscall(SYS_tgkill, 4321, 4321, 0); },
     kEnded, ESRCH},
    {"ExecutableMemory",
     [] {
       void* const memory = mmap(nullptr, kPage, PROT_READ | PROT_EXEC,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       return memory == MAP_FAILED ? -1L : 0L;
     },
     kEnded, std::nullopt},
    {"MemoryThatBecomesExecutable",
     [] {
       void* const memory = mmap(nullptr, kPage, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       return int64_t{mprotect(memory, kPage, PROT_READ | PROT_EXEC)};
     },
     kEnded, std::nullopt},
    {"Mount", [] { return int64_t{mount("none", "/", "tmpfs", 0, nullptr)}; },
     kEnded, EPERM},
    {"LeaveTheRoot", [] { return int64_t{chroot("/")}; }, kEnded, EPERM},
    {"ReplaceTheHandler",
     [] { return int64_t{signal(SIGSYS, SIG_IGN) == SIG_ERR}; }, kEnded,
     std::nullopt},
    {"ReplaceTheHandlerByMoreBits",
     [] {
       // The kernel's structure: a handler and no flags.
       const std::array<uint64_t, 4> action = {};
       return syscall(SYS_rt_sigaction, SIGSYS | uint64_t{1} << 32,
                      action.data(), nullptr, sizeof(uint64_t));
     },
     kEnded, std::nullopt},
    {"BeDumpable", [] { return int64_t{prctl(PR_SET_DUMPABLE, 1)}; }, kEnded,
     std::nullopt},
    {"RaiseALimit",
     [] {
       const rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY};
       return int64_t{setrlimit(RLIMIT_CORE, &limit)};
     },
     kEnded, EPERM},
    {"ReadAnothersLimit",
     [] {
       rlimit limit = {};
       return syscall(SYS_prlimit64, 1234, RLIMIT_NOFILE, nullptr, &limit);
     },
     kEnded, std::nullopt},
    {"HaveMoreDescriptors",
     [] {
       return int64_t{
           fcntl(NullFd(), F_DUPFD_CLOEXEC, static_cast<int>(kMaxDescriptors))};
     },
     EINVAL, EINVAL},
    {"HaveMoreThreads", [] { return HaveThreads(kMaxThreadsOfUser); }, EAGAIN,
     EAGAIN},
    {"FreePagesOfAFile",
     [] {
       const int memfd = memfd_create("test", MFD_CLOEXEC);
       return int64_t{fallocate(
           memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kPage)};
     },
     kEnded, std::nullopt},
    {"ReadStandardError",
     [] {
       char byte = 0;
       return int64_t{read(STDERR_FILENO, &byte, 1)};
     },
     EBADF, EBADF},
    {"StatAFile",
     [] {
       struct stat status = {};
       return int64_t{FileStatus(NullFd(), &status)};
     },
     0, 0},
    {"LoadAProgramIntoTheKernel",
     [] { return syscall(SYS_bpf, BPF_PROG_LOAD, nullptr, 0); }, kEnded,
     std::nullopt},
    {"HandleFaults", [] { return syscall(SYS_userfaultfd, 0); }, kEnded,
     std::nullopt},
    {"AskByRing", [] { return syscall(SYS_io_uring_setup, 1, nullptr); },
     kEnded, std::nullopt},
    {"UseKeys", [] { return syscall(SYS_keyctl, 0, 0, 0, 0, 0); }, kEnded,
     std::nullopt},
    {"BecomeAnother", [] { return syscall(SYS_setresuid, 1, 1, 1); }, kEnded,
     EINVAL},
    {"SetTheClock",
     [] {
       const timespec time = {};
       return int64_t{clock_settime(CLOCK_REALTIME, &time)};
     },
     kEnded, EPERM},
    {"Reboot", [] { return syscall(SYS_reboot, 0, 0, 0, 0); }, kEnded, EPERM},
    // What a device does.
    {"ShareMemory", [] { return int64_t{memfd_create("test", MFD_CLOEXEC)}; },
     0, 0},
    {"MakeAThread",
     [] {
       std::thread([] {}).join();
       return 0L;
     },
     0, 0},
    {"NameItself", [] { return int64_t{prctl(PR_SET_NAME, "test")}; }, 0, 0},
};

// As an exit code of the process that made the attempt.
constexpr int kCodeOfErrno = 200;
int CodeOf(int error) { return error == 0 ? 0 : kCodeOfErrno; }

constexpr int kResultFd = Process::kFirstFd;

// This program, started again: "attempt,INDEX,FILTER,NAMESPACES".
int MakeAttempt(const std::string& argument) {
  const std::vector<std::string> parts = absl::StrSplit(argument, ',');
  const Attempt& attempt = kAttempts[std::stoi(parts[1])];
  const uint32_t ioctl = kAllowedIoctl;
  NullFd();
  DeviceFd();
  const absl::Status confined =
      Confine({.namespaces = parts[3] == "1",
               .ioctls = std::span(&ioctl, 1),
               .report =
                   [](int number, uint32_t) {
                     const int report = -number - 1;
                     (void)!write(kResultFd, &report, sizeof(report));
                   },
               .filter = parts[2] == "1"});
  if (!confined.ok()) return 2;
  errno = 0;
  const int64_t result = attempt.make();
  const int error = result == -1 ? errno : 0;
  (void)!write(kResultFd, &error, sizeof(error));
  return CodeOf(error);
}

std::unique_ptr<LogRelay> Relay() {
  return *LogRelay::Create(
      [](const std::string& line) { std::cerr << line << "\n"; });
}

// This program, started again: more threads than it may have.
int MakeThreads() {
  const Confinement whole = {.namespaces = true,
                             .ioctls = {},
                             .report = nullptr,
                             .filter = HasFilter()};
  if (!Confine(whole).ok()) return 2;
  for (uint64_t count = 1; count <= kMaxThreadsOfUser; ++count) {
    pthread_t thread;
    const auto rest = [](void*) -> void* {
      poll(nullptr, 0, -1);
      return nullptr;
    };
    // As many as a GPU needs there must be.
    if (pthread_create(&thread, nullptr, rest, nullptr) != 0) {
      return count > 32 ? 0 : 3;
    }
  }
  return 1;
}

struct Result {
  Process::End end;
  int number = 0;  // An errno, or the refused call's number negated less one.
};

Result Try(size_t index, bool filter, bool namespaces) {
  std::array<int, 2> ends;
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  const std::unique_ptr<LogRelay> log = Relay();
  const int fd = writer.get();
  absl::StatusOr<Process> process =
      Process::Start(absl::StrCat("attempt,", index, ",", filter ? 1 : 0, ",",
                                  namespaces ? 1 : 0),
                     std::span(&fd, 1), log->writer(), namespaces);
  writer.Reset();
  if (!process.ok()) {
    ADD_FAILURE() << process.status();
    return {};
  }
  const auto end = process->Wait(std::chrono::seconds(30));
  Result result;
  if (!end || read(reader.get(), &result.number, sizeof(result.number)) !=
                  sizeof(result.number)) {
    ADD_FAILURE() << "no result: " << (end ? Describe(*end) : "it hangs");
    return result;
  }
  result.end = *end;
  return result;
}

bool HaveNamespaces() {
  static const bool have = [] {
    const int fd = STDERR_FILENO;
    return Process::Start("nothing", std::span(&fd, 1), fd, true).ok();
  }();
  return have;
}

class JailTest : public testing::TestWithParam<size_t> {
 protected:
  const Attempt& attempt() const { return kAttempts[GetParam()]; }
};

// With and without namespaces the same.
TEST_P(JailTest, FilterRefuses) {
  if (!HasFilter()) GTEST_SKIP() << "a sanitizer's runtime needs other calls";
  for (const bool namespaces : {false, true}) {
    if (namespaces && !HaveNamespaces()) continue;
    const Result result = Try(GetParam(), /*filter=*/true, namespaces);
    if (attempt().in_jail == kEnded) {
      EXPECT_TRUE(result.end.exited);
      EXPECT_EQ(result.end.code, kRefusedCallExit);
      EXPECT_LT(result.number, 0) << "reported";
    } else {
      EXPECT_EQ(result.number, attempt().in_jail);
    }
  }
}

TEST_P(JailTest, OtherLayersRefuse) {
  if (!attempt().without_filter) return;
  if (!HaveNamespaces()) GTEST_SKIP() << "this system gives no namespaces";
  const Result result = Try(GetParam(), /*filter=*/false, true);
  // Landlock is asked before some of the other layers.
  if (LandlockVersion() > 0 && result.number == EACCES) return;
  EXPECT_EQ(result.number, *attempt().without_filter);
}

INSTANTIATE_TEST_SUITE_P(Attempts, JailTest,
                         testing::Range(size_t{0}, std::size(kAttempts)),
                         [](const auto& test) {
                           return std::string(kAttempts[test.param].name);
                         });

// Where the limit is the namespace's alone, from Linux 5.14.
TEST(ThreadsTest, AreNotWithoutEnd) {
  if (geteuid() == 0) GTEST_SKIP() << "root may have any number of threads";
  if (!HaveNamespaces()) GTEST_SKIP() << "this system gives no namespaces";
  const int fd = STDERR_FILENO;
  Process process = *Process::Start("threads", std::span(&fd, 1), fd, true);
  EXPECT_EQ(Describe(*process.Wait(std::chrono::seconds(30))), "exit code 0");
}

TEST(FilterTest, NamesTheCall) {
  EXPECT_EQ(SystemCallName(SYS_execve), "execve");
  EXPECT_EQ(SystemCallName(99999), "99999");
}

}  // namespace
}  // namespace nacre::jail

int main(int argc, char** argv) {
  const std::string argument = argc == 2 ? argv[1] : "";
  if (argument.rfind("attempt,", 0) == 0) {
    return nacre::jail::MakeAttempt(argument);
  }
  if (argument == "nothing") return 0;
  if (argument == "threads") _exit(nacre::jail::MakeThreads());
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
