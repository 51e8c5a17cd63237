#include "nacre/jail/log_relay.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::jail {
namespace {

using ::testing::ElementsAre;

TEST(LogRelayTest, LogsWhatWasWrittenBeforeItEnds) {
  std::vector<std::string> log;
  auto relay = *LogRelay::Create(
      [&log](const std::string& line) { log.push_back(line); });
  // A writer that stays keeps nobody waiting.
  const Fd writer(fcntl(relay->writer(), F_DUPFD_CLOEXEC, 0));
  relay->CloseWriter();
  ASSERT_EQ(write(writer.get(), "one\ntwo", 7), 7);
  relay.reset();
  EXPECT_THAT(log, ElementsAre("one", "two"));
}

TEST(LogRelayTest, TheWriterCannotRead) {
  auto relay = *LogRelay::Create([](const std::string&) {});
  char byte = 0;
  EXPECT_EQ(read(relay->writer(), &byte, 1), -1);
  EXPECT_EQ(errno, EBADF);
  // Nor is it told to try again where the log is slow.
  EXPECT_EQ(fcntl(relay->writer(), F_GETFL) & O_NONBLOCK, 0);
}

}  // namespace
}  // namespace nacre::jail
