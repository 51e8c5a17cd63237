#include "tools/preload/picture.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace nacre::preload {
namespace {

constexpr char kDri[] = "/dev/dri";
constexpr char kNumber[] = "/sys/dev/char/226:128";

// A link that leads to itself ends the search (ELOOP, to the kernel).
constexpr int kMaxLinks = 40;

}  // namespace

Picture::Picture(const SysfsDevice& device)
    : roots_({kDri, kNumber, device.root}) {
  Add(absl::StrCat(kDri, "/renderD128"), Kind::kRenderNode);
  const std::string minor = device.path + "/drm/renderD128";
  // Both are below /sys, which is two folders up from the one with the link.
  Add(kNumber, Kind::kLink, "../.." + minor.substr(strlen("/sys")));
  for (const auto& [path, content] : device.files) {
    Add(absl::StrCat(device.root, "/", path), Kind::kFile, content);
  }
  for (const auto& [path, target] : device.links) {
    Add(absl::StrCat(device.root, "/", path), Kind::kLink, target);
  }
  Add(minor + "/uevent", Kind::kFile,
      "MAJOR=226\n"
      "MINOR=128\n"
      "DEVNAME=dri/renderD128\n"
      "DEVTYPE=drm_minor\n");
  Add(minor + "/dev", Kind::kFile, "226:128\n");
  Add(minor + "/device", Kind::kLink,
      "../../../" + device.path.substr(device.path.rfind('/') + 1));
  std::string to_sys;
  for (const char c : minor.substr(strlen("/sys/"))) {
    if (c == '/') to_sys += "../";
  }
  Add(minor + "/subsystem", Kind::kLink, to_sys + "../class/drm");
}

void Picture::Add(const std::string& path, Kind kind,
                  absl::string_view content) {
  if (!Covers(path)) return;
  const size_t slash = path.rfind('/');
  const std::string parent = path.substr(0, slash);
  if (!nodes_.contains(parent)) Add(parent, Kind::kDirectory);
  const auto folder = nodes_.find(parent);
  if (folder != nodes_.end()) {
    folder->second.entries.push_back(path.substr(slash + 1));
  }
  Node& node = nodes_[path];
  node.kind = kind;
  node.content.assign(content.begin(), content.end());
}

bool Picture::Covers(absl::string_view path) const {
  for (const std::string& root : roots_) {
    absl::string_view rest = path;
    if (absl::ConsumePrefix(&rest, root) &&
        (rest.empty() || rest.front() == '/')) {
      return true;
    }
  }
  return false;
}

Picture::Place Picture::Find(absl::string_view path, bool follow) const {
  // Most paths of a program.
  if (!absl::StartsWith(path, "/dev/") && !absl::StartsWith(path, "/sys/")) {
    return {{path.begin(), path.end()}, nullptr, true};
  }
  const std::vector<std::string> split =
      absl::StrSplit(path, '/', absl::SkipEmpty());
  std::deque<std::string> left(split.begin(), split.end());
  // A link's own name with a slash behind it is where it points to.
  if (absl::EndsWith(path, "/")) follow = true;
  std::string at;
  int links = 0;
  bool in_picture = false;
  while (!left.empty()) {
    const std::string name = std::move(left.front());
    left.pop_front();
    if (name == ".") continue;
    if (name == "..") {
      at.resize(at.rfind('/') == std::string::npos ? 0 : at.rfind('/'));
      continue;
    }
    const std::string next = absl::StrCat(at, "/", name);
    const auto entry = nodes_.find(next);
    const bool link =
        entry != nodes_.end() && entry->second.kind == Kind::kLink;
    if (link && (follow || !left.empty()) && ++links <= kMaxLinks) {
      // All of the picture's links are relative to the folder they are in.
      const std::vector<std::string> target =
          absl::StrSplit(entry->second.content, '/', absl::SkipEmpty());
      left.insert(left.begin(), target.begin(), target.end());
      continue;
    }
    at = next;
    in_picture = in_picture || Covers(at);
  }
  const auto entry = nodes_.find(at);
  if (entry != nodes_.end()) {
    return {at, &entry->second, false};
  }
  if (Covers(at)) return {at, nullptr, false};
  // The machine's own; where the way there leads through the picture, only the
  // result is a path for the machine.
  if (!in_picture && links == 0) at.assign(path.begin(), path.end());
  return {at, nullptr, true};
}

}  // namespace nacre::preload
