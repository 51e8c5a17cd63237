#ifndef NACRE_NACRE_STDERR_LOG_H_
#define NACRE_NACRE_STDERR_LOG_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "glog/logging.h"
#include "nacre/nonblocking_fd.h"

namespace nacre {

// While it exists, glog's lines go to standard error by it, as glog itself
// writes them there, but for this: no thread waits for who reads them. By glog
// the first that did would hold glog's lock, and a guest that can cause lines
// would stop the vCPUs, the GPU and the program's own end with a pipe that a
// launcher does not look into. What standard error does not take at once is
// lost, and counted: a line says so as soon as there is room again.
//
// Lines are cut at PIPE_BUF bytes, which a pipe takes whole or not at all.
// Standard error itself no longer waits either, for what others print there
// (glog the stack of a failed CHECK), but where it is a socket or cannot be
// opened again (NonblockingFd).
//
// Not for the GPU's process: its reader is a LogRelay, which waits for nobody.
class StderrLog final : private google::LogSink {
 public:
  // Once, behind google::InitGoogleLogging.
  StderrLog();
  ~StderrLog() override;
  StderrLog(const StderrLog&) = delete;
  StderrLog& operator=(const StderrLog&) = delete;

  // Writes what the user asked for, as it is, and does wait for who reads it:
  // until nothing was taken for some seconds.
  void Print(absl::string_view text);

 private:
  void send(google::LogSeverity severity, const char* path, const char* file,
            int line, const google::LogMessageTime& time, const char* message,
            size_t size) override;

  // What is to be said of lost lines, if there are any.
  void WriteLost(const google::LogMessageTime& time)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether all of `line` was taken.
  bool WriteLine(absl::string_view line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const NonblockingFd output_;
  Mutex mutex_;
  uint64_t lost_ ABSL_GUARDED_BY(mutex_) = 0;
  // A terminal may have taken a part of the last line.
  bool torn_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace nacre

#endif  // NACRE_NACRE_STDERR_LOG_H_
