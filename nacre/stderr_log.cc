#include "nacre/stderr_log.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <string>

#include "absl/strings/str_cat.h"

namespace nacre {
namespace {

using Clock = std::chrono::steady_clock;

// For a reader to read on.
constexpr std::chrono::seconds kPatience{5};

google::LogMessageTime Now() {
  const std::time_t now = std::time(nullptr);
  return {now, static_cast<double>(now)};
}

}  // namespace

StderrLog::StderrLog() : output_(STDERR_FILENO, O_WRONLY) {
  if (output_.get() != STDERR_FILENO) dup2(output_.get(), STDERR_FILENO);
  google::AddLogSink(this);
  // glog itself writes nowhere.
  FLAGS_logtostderr = false;
  FLAGS_alsologtostderr = false;
  FLAGS_stderrthreshold = google::NUM_SEVERITIES;
  for (int severity = 0; severity < google::NUM_SEVERITIES; ++severity) {
    google::SetLogDestination(severity, "");
  }
}

StderrLog::~StderrLog() {
  FLAGS_logtostderr = true;
  google::RemoveLogSink(this);
  MutexLock lock(mutex_);
  WriteLost(Now());
}

void StderrLog::Print(absl::string_view text) {
  {
    MutexLock lock(mutex_);
    WriteLost(Now());
  }
  Clock::time_point deadline = Clock::now() + kPatience;
  while (!text.empty()) {
    const ssize_t size = output_.Write(text);
    if (size > 0) {
      text.remove_prefix(static_cast<size_t>(size));
      deadline = Clock::now() + kPatience;
      continue;
    }
    if (size == 0 || (errno != EAGAIN && errno != EINTR)) return;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return;
    pollfd poll_fd = {output_.get(), POLLOUT, 0};
    poll(&poll_fd, 1, static_cast<int>(left.count()));
  }
}

void StderrLog::send(google::LogSeverity severity, const char* /*path*/,
                     const char* file, int line,
                     const google::LogMessageTime& time, const char* message,
                     size_t size) {
  std::string text = ToString(severity, file, line, time, message, size);
  // With its end, and that of a torn line before it.
  text.resize(std::min<size_t>(text.size(), PIPE_BUF - 2));
  MutexLock lock(mutex_);
  WriteLost(time);
  if (lost_ > 0 || !WriteLine(text)) ++lost_;
}

void StderrLog::WriteLost(const google::LogMessageTime& time) {
  if (lost_ == 0) return;
  const std::string message =
      absl::StrCat(lost_, " lines lost: nobody read the log");
  if (WriteLine(ToString(google::GLOG_WARNING, "stderr_log.cc", __LINE__, time,
                         message.data(), message.size()))) {
    lost_ = 0;
  }
}

bool StderrLog::WriteLine(absl::string_view line) {
  const std::string text = absl::StrCat(torn_ ? "\n" : "", line, "\n");
  ssize_t size = 0;
  do {
    size = output_.Write(text);
  } while (size < 0 && errno == EINTR);
  if (size > 0) torn_ = static_cast<size_t>(size) < text.size();
  return size == static_cast<ssize_t>(text.size());
}

}  // namespace nacre
