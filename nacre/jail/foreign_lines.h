#ifndef NACRE_NACRE_JAIL_FOREIGN_LINES_H_
#define NACRE_NACRE_JAIL_FOREIGN_LINES_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>

namespace nacre::jail {

// Cuts into lines for a log what a process that is not trusted writes. It can
// neither steer a terminal, nor look like somebody else, whose lines do not
// begin as the log's for it do, nor fill the host's disk.
class ForeignLines {
 public:
  using Clock = std::chrono::steady_clock;
  // Bytes; what is longer becomes several. Our own longest are about as long.
  static constexpr size_t kMaxLine = 512;
  // A sanitizer's report, at once; and what may come all the time.
  static constexpr int kBurst = 1000;
  static constexpr int kPerSecond = 10;

  // `log` gets lines without their ends, of printable characters; after the
  // burst `per_second`.
  explicit ForeignLines(std::function<void(const std::string&)> log,
                        int per_second = kPerSecond)
      : log_(std::move(log)), per_second_(per_second) {}

  void Add(std::span<const char> text, Clock::time_point now);
  // What has no end yet is a line, too.
  void Finish(Clock::time_point now);

 private:
  void EndLine(Clock::time_point now);

  const std::function<void(const std::string&)> log_;
  const int per_second_;
  std::string line_;
  int left_ = kBurst;
  Clock::time_point filled_{};  // When `left_` was last added to.
  uint64_t left_out_ = 0;
};

}  // namespace nacre::jail

#endif  // NACRE_NACRE_JAIL_FOREIGN_LINES_H_
