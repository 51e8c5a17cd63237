// What a process that is not trusted writes, as it comes to a log: pieces of
// text, each behind a byte for its length and one for the tenths of a second
// that have passed. Lines are short and printable, no more of them than a log
// may have, and none is missing without being counted.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/bytes.h"
#include "glog/logging.h"
#include "nacre/jail/foreign_lines.h"

namespace nacre::jail {
namespace {

struct Log {
  void Add(const std::string& line) {
    CHECK_LE(line.size(), ForeignLines::kMaxLine);
    for (const char c : line) CHECK(c >= ' ' && c <= '~') << line;
    absl::string_view text = line;
    uint64_t missing = 0;
    if (absl::ConsumeSuffix(&text, " lines are left out")) {
      CHECK(absl::SimpleAtoi(text, &missing)) << line;
      left_out += missing;
    } else {
      ++lines;
    }
  }
  uint64_t lines = 0;
  uint64_t left_out = 0;
};

class Writer {
 public:
  void Write(const std::string& text) {
    lines_.Add(text, now_);
    for (const char c : text) {
      const bool is_cut = c != '\n' && length_ == ForeignLines::kMaxLine;
      if (c == '\n' || is_cut) {
        ++written_;
        length_ = 0;
      }
      if (c != '\n') ++length_;
    }
  }
  void Wait(std::chrono::milliseconds time) { now_ += time; }
  void Finish() {
    lines_.Finish(now_);
    if (length_ > 0) ++written_;
    length_ = 0;
  }
  void Check() const {
    CHECK_EQ(log_.lines + log_.left_out, written_);
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(now_ - kStart).count();
    CHECK_LE(log_.lines, ForeignLines::kBurst +
                             ForeignLines::kPerSecond * uint64_t(seconds + 1));
  }

 private:
  static constexpr ForeignLines::Clock::time_point kStart{
      std::chrono::hours(1)};
  ForeignLines::Clock::time_point now_ = kStart;
  Log log_;
  ForeignLines lines_{[this](const std::string& line) { log_.Add(line); }};
  uint64_t written_ = 0;  // Lines.
  size_t length_ = 0;     // Of the last one.
};

void Run(std::span<const uint8_t> input) {
  Writer writer;
  ByteReader reader(input);
  while (reader.remaining() > 0) {
    const auto size = reader.ReadZeroExtended<uint8_t>();
    const auto tenths = reader.ReadZeroExtended<uint8_t>();
    writer.Wait(std::chrono::milliseconds(100) * tenths);
    const std::span<const uint8_t> bytes =
        *reader.ReadBytes(std::min<size_t>(size, reader.remaining()));
    std::string text(bytes.begin(), bytes.end());
    // No line looks like one of the log's own.
    std::ranges::replace(text, 'l', 'L');
    // The largest say it often: a flood in a small input.
    for (int i = size >= 0xf0 ? 100 : 1; i > 0; --i) writer.Write(text);
  }
  writer.Finish();
  // With the next line it tells of those that were left out.
  writer.Wait(std::chrono::seconds(1));
  writer.Write("\n");
  writer.Check();
}

}  // namespace
}  // namespace nacre::jail

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nacre::jail::Run({data, size});
  return 0;
}
