// nacre whose standard error nobody reads, as a launcher's pipe may be that it
// looks into later, or never: its guest is stopped all the same, though there
// are lines to log. Hangs where one of them keeps the program waiting.

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/fd.h"
#include "gtest/gtest.h"
#include "nacre/testing/ends.h"
#include "nacre/vm.h"
#include "vmm/machine.h"
#include "vmm/testing/tiny_kernels.h"
#include "vmm/testing/tiny_machine.h"

namespace nacre {
namespace {

void Fill(const Fd& pipe) {
  ASSERT_EQ(fcntl(pipe.get(), F_SETFL, O_NONBLOCK), 0);
  while (write(pipe.get(), "x", 1) == 1) {
  }
  ASSERT_EQ(fcntl(pipe.get(), F_SETFL, 0), 0);
}

pid_t StartNacre(const std::string& program, const std::string& kernel,
                 const Fd& output, const Fd& error_output) {
  const std::string argument = absl::StrCat("--kernel=", kernel);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  dup2(output.get(), STDOUT_FILENO);
  dup2(error_output.get(), STDERR_FILENO);
  execl(program.c_str(), program.c_str(), argument.c_str(), "--memory-mib=64",
        static_cast<char*>(nullptr));
  _exit(127);
}

pid_t ChildOf(pid_t pid) {
  pid_t child = 0;
  std::ifstream(absl::StrCat("/proc/", pid, "/task/", pid, "/children")) >>
      child;
  return child;
}

TEST(UnreadLogTest, StopsWithoutAReader) {
  if (access("/dev/kvm", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/kvm";
  const Ends console = Pipe();
  const Ends log = Pipe();
  Fill(log.writer);
  const pid_t nacre = StartNacre(
      std::getenv("NACRE"), vmm::TinyMachine(vmm::SpinningKernel()).kernel_path,
      console.writer, log.writer);
  ASSERT_GT(nacre, 0);
  // The guest runs.
  char byte = 0;
  ASSERT_EQ(read(console.reader.get(), &byte, 1), 1);
  // A thread of the VMM's has something to log: that its GPU is lost.
  const pid_t gpu = ChildOf(nacre);
  ASSERT_GT(gpu, 0);
  ASSERT_EQ(kill(gpu, SIGKILL), 0);
  while (ChildOf(nacre) == gpu) usleep(1000);
  ASSERT_EQ(kill(nacre, SIGTERM), 0);
  int status = 0;
  ASSERT_EQ(waitpid(nacre, &status, 0), nacre);
  ASSERT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), kExitStopped);
}

}  // namespace
}  // namespace nacre
