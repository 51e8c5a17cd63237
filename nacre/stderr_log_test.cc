#include "nacre/stderr_log.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>

#include "base/fd.h"
#include "base/thread.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nacre/jail/log_relay.h"
#include "nacre/testing/ends.h"

namespace nacre {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

// All that is there.
std::string Take(const Fd& reader) {
  const int flags = fcntl(reader.get(), F_GETFL);
  EXPECT_EQ(fcntl(reader.get(), F_SETFL, flags | O_NONBLOCK), 0);
  std::string text;
  std::array<char, 4096> part;
  ssize_t size = 0;
  while ((size = read(reader.get(), part.data(), part.size())) > 0) {
    text.append(part.data(), static_cast<size_t>(size));
  }
  return text;
}

// Runs `act` in a child whose standard error is `ends.writer`. A test that
// hangs has waited for a reader.
class StderrLogDeathTest : public testing::Test {
 protected:
  static void Run(
      const Ends& ends, const std::function<void()>& act,
      const std::function<bool(int)>& ended = testing::ExitedWithCode(0)) {
    EXPECT_EXIT(
        {
          google::InitGoogleLogging("test");
          dup2(ends.writer.get(), STDERR_FILENO);
          act();
          _exit(0);
        },
        ended, "");
  }
};

void LogMany() {
  for (int i = 0; i < 3000; ++i) LOG(WARNING) << std::string(100, 'x');
}

TEST_F(StderrLogDeathTest, LinesAreAsGlogWritesThem) {
  const Ends ends = Pipe();
  Run(ends, [] {
    FLAGS_logtostderr = true;
    const auto log_it = [] { LOG(ERROR) << "a line"; };
    log_it();
    {
      const StderrLog log;
      log_it();
    }
    log_it();
  });
  const std::string text = Take(ends.reader);
  const std::string line =
      "E[0-9]+ [0-9:.]+ +[0-9]+ stderr_log_test.cc:[0-9]+] a line\n";
  EXPECT_THAT(text, ContainsRegex("^" + line + line + line + "$"));
}

TEST_F(StderrLogDeathTest, NoLineWaitsForAReader) {
  for (const auto make : {Pipe, Sockets, Terminal}) {
    const Ends ends = make();
    Run(ends, [] {
      const StderrLog log;
      LogMany();
    });
    EXPECT_THAT(Take(ends.reader), SizeIs(testing::Gt(1000u)));
  }
}

TEST_F(StderrLogDeathTest, WhatWasLostIsSaidOnceThereIsRoom) {
  const Ends ends = Pipe();
  Run(ends, [&ends] {
    const StderrLog log;
    LogMany();
    Take(ends.reader);
    LOG(INFO) << "the next";
  });
  const std::string text = Take(ends.reader);
  EXPECT_THAT(text, StartsWith("W"));
  EXPECT_THAT(text, ContainsRegex("\\] [0-9]+ lines lost: nobody read the "
                                  "log\nI.*\\] the next\n$"));
}

TEST_F(StderrLogDeathTest, LongLinesAreCut) {
  const Ends ends = Pipe();
  Run(ends, [] {
    const StderrLog log;
    LOG(INFO) << std::string(2 * PIPE_BUF, 'x');
    LOG(INFO) << "the next";
  });
  const std::string text = Take(ends.reader);
  EXPECT_THAT(text, HasSubstr("xxx\nI"));
  EXPECT_LT(text.size(), PIPE_BUF + 100u);
}

TEST_F(StderrLogDeathTest, AFailedCheckIsToldAndWaitsForNobody) {
  for (const bool full : {false, true}) {
    const Ends ends = Pipe();
    Run(
        ends,
        [full] {
          const StderrLog log;
          if (full) LogMany();
          CHECK(false) << "why";
        },
        testing::KilledBySignal(SIGABRT));
    if (!full) {
      EXPECT_THAT(Take(ends.reader), HasSubstr("] Check failed: false why\n"));
    }
  }
}

// As that of the GPU's process, which writes what the guest has it write.
TEST_F(StderrLogDeathTest, ARelayEnds) {
  const Ends ends = Pipe();
  Run(ends, [] {
    const StderrLog log;
    LogMany();
    auto relay = *jail::LogRelay::Create(
        [](const std::string& line) { LOG(WARNING) << line; });
    ASSERT_EQ(write(relay->writer(), "one\n", 4), 4);
    relay.reset();
  });
}

TEST_F(StderrLogDeathTest, WhatIsPrintedWaitsForAReader) {
  const Ends ends = Pipe();
  std::string printed;
  for (int i = 0; i < 20000; ++i) printed += "a line of it\n";
  std::string text;
  Thread reader = *Thread::Start("reader", [&] {
    std::array<char, 100> part;
    while (text.find("the end\n") == std::string::npos) {
      const ssize_t size = read(ends.reader.get(), part.data(), part.size());
      ASSERT_GT(size, 0);
      text.append(part.data(), static_cast<size_t>(size));
    }
  });
  Run(ends, [&] {
    StderrLog log;
    log.Print(printed + "the end\n");
  });
  reader.Join();
  EXPECT_EQ(text, printed + "the end\n");
}

}  // namespace
}  // namespace nacre
