#ifndef NACRE_NACRE_JAIL_LOG_RELAY_H_
#define NACRE_NACRE_JAIL_LOG_RELAY_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/thread.h"
#include "nacre/jail/foreign_lines.h"

namespace nacre::jail {

// A pipe as the standard error of a process that is not trusted, and a thread
// that takes its lines (ForeignLines). That process then has nothing of ours:
// a descriptor of the log itself could be read, where it is a terminal or a
// file, too.
class LogRelay {
 public:
  // `log` is called on the thread, and waits for nobody: else that process
  // would, and so would the end of this. `per_second` as ForeignLines has it.
  static absl::StatusOr<std::unique_ptr<LogRelay>> Create(
      std::function<void(const std::string&)> log,
      int per_second = ForeignLines::kPerSecond);
  // Takes what has been written by now, and ends; waits for no writer.
  ~LogRelay();

  // The end to give away, and the end of its use here.
  int writer() const { return writer_.get(); }
  void CloseWriter() { writer_.Reset(); }

 private:
  LogRelay(ForeignLines lines, Fd reader, Fd writer, EventFd stop)
      : lines_(std::move(lines)),
        reader_(std::move(reader)),
        writer_(std::move(writer)),
        stop_(std::move(stop)) {}

  void Run();
  // Until there is nothing; false once nobody can write any more.
  bool TakeAll();

  ForeignLines lines_;  // The thread's.
  const Fd reader_;     // Does not block.
  Fd writer_;
  const EventFd stop_;
  Thread thread_;
};

}  // namespace nacre::jail

#endif  // NACRE_NACRE_JAIL_LOG_RELAY_H_
