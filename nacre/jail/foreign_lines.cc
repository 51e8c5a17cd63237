#include "nacre/jail/foreign_lines.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace nacre::jail {

void ForeignLines::Add(std::span<const char> text, Clock::time_point now) {
  for (const char c : text) {
    if (c == '\n') {
      EndLine(now);
      continue;
    }
    if (line_.size() == kMaxLine) EndLine(now);
    line_.push_back(c < ' ' || c > '~' ? '?' : c);
  }
}

void ForeignLines::Finish(Clock::time_point now) {
  if (!line_.empty()) EndLine(now);
}

void ForeignLines::EndLine(Clock::time_point now) {
  const std::string line = std::exchange(line_, {});
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now - filled_);
  if (seconds.count() > 0) {
    left_ = static_cast<int>(
        std::min<int64_t>(kBurst, left_ + per_second_ * seconds.count()));
    filled_ = now;
  }
  if (left_ == 0) {
    ++left_out_;
    return;
  }
  --left_;
  if (left_out_ > 0) log_(absl::StrCat(left_out_, " lines are left out"));
  left_out_ = 0;
  log_(line);
}

}  // namespace nacre::jail
