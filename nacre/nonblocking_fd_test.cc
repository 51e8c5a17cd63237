#include "nacre/nonblocking_fd.h"

#include <fcntl.h>
#include <limits.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>

#include "base/fd.h"
#include "base/testing/host_faults.h"
#include "gtest/gtest.h"
#include "nacre/testing/ends.h"

namespace nacre {
namespace {

// How much it took.
size_t Fill(const NonblockingFd& fd) {
  const std::string line(99, 'x');
  size_t written = 0;
  ssize_t size = 0;
  while ((size = fd.Write(line + '\n')) > 0) {
    written += static_cast<size_t>(size);
  }
  EXPECT_EQ(size, -1);
  EXPECT_EQ(errno, EAGAIN);
  return written;
}

TEST(NonblockingFdTest, WritesToWhatNobodyReadsUntilItIsFull) {
  for (const auto make : {Pipe, Sockets, Terminal}) {
    Ends ends = make();
    EXPECT_GT(Fill(NonblockingFd(ends.writer.get(), O_WRONLY)), size_t{1000});
    // Who gave it to us writes as before.
    EXPECT_EQ(fcntl(ends.writer.get(), F_GETFL) & O_NONBLOCK, 0);
  }
}

TEST(NonblockingFdTest, WritesToATerminalThatIsStopped) {
  const Ends ends = Terminal();
  ASSERT_EQ(tcflow(ends.writer.get(), TCOOFF), 0);
  EXPECT_EQ(Fill(NonblockingFd(ends.writer.get(), O_WRONLY)), 0u);
}

TEST(NonblockingFdTest, ReadsWhatIsThere) {
  for (const auto make : {Pipe, Sockets}) {
    Ends ends = make();
    const NonblockingFd fd(ends.reader.get(), O_RDONLY);
    std::array<uint8_t, 8> bytes;
    EXPECT_EQ(fd.Read(bytes), -1);
    EXPECT_EQ(errno, EAGAIN);
    ASSERT_EQ(write(ends.writer.get(), "one", 3), 3);
    EXPECT_EQ(fd.Read(bytes), 3);
    EXPECT_EQ(fcntl(ends.reader.get(), F_GETFL) & O_NONBLOCK, 0);
  }
}

TEST(NonblockingFdTest, WhereThereIsNobodyItIsTheEnd) {
  for (const auto make : {Pipe, Sockets}) {
    Ends ends = make();
    const NonblockingFd fd(ends.reader.get(), O_RDONLY);
    ends.writer.Reset();
    std::array<uint8_t, 8> bytes;
    EXPECT_EQ(fd.Read(bytes), 0);
  }
}

// A pipe of another user, for instance.
TEST(NonblockingFdTest, WhatCannotBeOpenedAgainIsAskedFirst) {
  const Ends ends = Pipe();
  std::unique_ptr<NonblockingFd> reader, writer;
  for (auto [fd, end, access] :
       {std::tuple(&reader, ends.reader.get(), O_RDONLY),
        std::tuple(&writer, ends.writer.get(), O_WRONLY)}) {
    const HostFault fault({.first = 1, .error = EACCES});
    *fd = std::make_unique<NonblockingFd>(end, access);
    EXPECT_EQ(fault.failed(), "open(0)");
    EXPECT_EQ((*fd)->get(), end);
  }
  std::array<uint8_t, 8> bytes;
  EXPECT_EQ(reader->Read(bytes), -1);
  EXPECT_EQ(errno, EAGAIN);
  // More than there may be room for.
  EXPECT_EQ(writer->Write(std::string(3 * PIPE_BUF, 'x')), PIPE_BUF);
  EXPECT_GT(Fill(*writer), size_t{1000});
  EXPECT_EQ(reader->Read(bytes), 8);
}

// Else what it writes would overwrite the start, and what others write.
TEST(NonblockingFdTest, AFileIsNotOpenedAgain) {
  const Fd file(
      open(testing::TempDir().c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
  ASSERT_EQ(write(file.get(), "one", 3), 3);
  const NonblockingFd fd(file.get(), O_WRONLY);
  EXPECT_EQ(fd.Write("two"), 3);
  std::array<char, 8> bytes;
  EXPECT_EQ(pread(file.get(), bytes.data(), bytes.size(), 0), 6);
}

// That would be the master of another one.
TEST(NonblockingFdTest, AMasterOfATerminalIsNotOpenedAgain) {
  const Ends ends = Terminal();
  const NonblockingFd fd(ends.reader.get(), O_RDONLY);
  EXPECT_EQ(fd.get(), ends.reader.get());
  ASSERT_EQ(write(ends.writer.get(), "one", 3), 3);
  std::array<uint8_t, 8> bytes;
  EXPECT_EQ(fd.Read(bytes), 3);
}

}  // namespace
}  // namespace nacre
