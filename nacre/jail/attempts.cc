#include "nacre/jail/attempts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/random.h>
#include <poll.h>
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
#include <thread>

#include "base/file_status.h"

namespace nacre::jail {
namespace {

// kAllowedIoctl with another size; DRM_IOCTL_SET_MASTER.
constexpr uint32_t kLongerIoctl = 0xc0206442;
constexpr uint32_t kOtherIoctl = 0x0000641e;

constexpr int kPage = 4096;
constexpr int kHugePage = 2 << 20;

int NullFd() {
  static const int fd = eventfd(0, 0);
  return fd;
}

// A device that this machine has for sure, and that answers.
int DeviceFd() {
  static const int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  return fd;
}

// For what is to be seen of this process.
int64_t RefusedIf(bool refused) {
  errno = EPERM;
  return refused ? -1 : 0;
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
    {"QueueSignals",
     [] {
       sigset_t held;
       sigemptyset(&held);
       sigaddset(&held, SIGRTMIN);
       if (pthread_sigmask(SIG_BLOCK, &held, nullptr) != 0) return 0L;
       return syscall(SYS_tgkill, getpid(), gettid(), SIGRTMIN);
     },
     EAGAIN, EAGAIN},
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
       return int64_t{fcntl(NullFd(), F_DUPFD_CLOEXEC, kAllowedDescriptors)};
     },
     EINVAL, EINVAL},
    {"HaveDescriptorsOfItsOwn",
     [] {
       static std::array<uint8_t, 4 * kPage> stack;
       const auto rest = [](void*) { return poll(nullptr, 0, -1); };
       constexpr int kFlags =
           CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
       return int64_t{
           clone(rest, stack.data() + stack.size(), kFlags, nullptr)};
     },
     kEnded, std::nullopt},
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
    {"WaitWithPriority",
     [] {
       static uint32_t word = 0;
       return syscall(SYS_futex, &word, FUTEX_LOCK_PI, 0, nullptr, nullptr, 0);
     },
     kEnded, std::nullopt},
    {"TakePagesOutOfAFile",
     [] {
       const int memfd = memfd_create("test", MFD_CLOEXEC);
       if (ftruncate(memfd, kPage) != 0) return int64_t{0};
       void* const memory =
           mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
       return int64_t{madvise(memory, kPage, MADV_REMOVE)};
     },
     EINVAL, std::nullopt},
    {"MergePages",
     [] {
       void* const memory = mmap(nullptr, kPage, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       return int64_t{madvise(memory, kPage, MADV_MERGEABLE)};
     },
     EINVAL, std::nullopt},
    {"TakeHugePages",
     [] { return int64_t{memfd_create("test", MFD_CLOEXEC | MFD_HUGETLB)}; },
     kEnded, std::nullopt},
    {"MapHugePages",
     [] {
       void* const memory =
           mmap(nullptr, kHugePage, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
       return memory == MAP_FAILED ? -1L : 0L;
     },
     kEnded, std::nullopt},
    {"InterruptAllProcessors",
     [] { return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0); }, EPERM,
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
#ifdef __x86_64__
    // System calls of other ABIs have other numbers: getpid.
    {"CallAsX32", [] { return syscall(__X32_SYSCALL_BIT | SYS_getpid); },
     kKilled, std::nullopt},
    {"CallAsI386",
     [] {
       int64_t result = 20;
       asm volatile("int $0x80" : "+a"(result) : : "memory");
       return result;
     },
     kKilled, std::nullopt},
#endif
    // What is to be seen of it.
    {"BeLookedInto", [] { return RefusedIf(prctl(PR_GET_DUMPABLE) == 0); },
     kEnded, EPERM},
    {"GainPrivileges",
     [] { return RefusedIf(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1); },
     kEnded, EPERM},
    {"GainCapabilities",
     [] {
       bool has_any = false;
       for (unsigned long capability = 0; capability <= CAP_LAST_CAP;
            ++capability) {
         has_any |= prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1;
       }
       return RefusedIf(!has_any);
     },
     kEnded, EPERM},
    // What a device does.
    {"ShareMemory", [] { return int64_t{memfd_create("test", MFD_CLOEXEC)}; },
     0, 0},
    {"GivePagesBack",
     [] {
       void* const memory = mmap(nullptr, kPage, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       return int64_t{madvise(memory, kPage, MADV_DONTNEED)};
     },
     0, 0},
    {"MakeAThread",
     [] {
       std::thread([] {}).join();
       return 0L;
     },
     0, 0},
    {"NameItself", [] { return int64_t{prctl(PR_SET_NAME, "test")}; }, 0, 0},
    // As newer C and C++ libraries do for what they allocate.
    {"NameItsMemory",
     [] {
       void* const memory = mmap(nullptr, kPage, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       return int64_t{
           prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, memory, kPage, "test")};
     },
     EINVAL, std::nullopt},
};

}  // namespace

std::span<const Attempt> Attempts() { return kAttempts; }

void PrepareAttempts() {
  NullFd();
  DeviceFd();
}

}  // namespace nacre::jail
