#include "tools/preload/picture.h"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace nacre::preload {
namespace {

constexpr absl::string_view kDri = "/dev/dri";
constexpr absl::string_view kNumber = "/sys/dev/char/226:128";
constexpr absl::string_view kDevice = "/sys/devices/platform/nacre-adreno";

// A link that leads to itself ends the search (ELOOP, to the kernel).
constexpr int kMaxLinks = 40;

}  // namespace

Picture::Picture() {
  const std::string dri(kDri), number(kNumber), device(kDevice);
  const std::string minor = device + "/drm/renderD128";
  Add(dri, Kind::kDirectory);
  Add(dri + "/renderD128", Kind::kRenderNode);
  Add(number, Kind::kLink,
      "../../devices/platform/nacre-adreno/drm/renderD128");
  Add(device, Kind::kDirectory);
  Add(device + "/uevent", Kind::kFile,
      "DRIVER=adreno\n"
      "OF_NAME=gpu\n"
      "OF_FULLNAME=/soc@0/gpu@3d00000\n"
      "OF_COMPATIBLE_0=qcom,adreno\n"
      "OF_COMPATIBLE_N=1\n"
      "MODALIAS=of:NgpuT(null)Cqcom,adreno\n");
  Add(device + "/subsystem", Kind::kLink, "../../../bus/platform");
  Add(device + "/drm", Kind::kDirectory);
  Add(minor, Kind::kDirectory);
  Add(minor + "/uevent", Kind::kFile,
      "MAJOR=226\n"
      "MINOR=128\n"
      "DEVNAME=dri/renderD128\n"
      "DEVTYPE=drm_minor\n");
  Add(minor + "/dev", Kind::kFile, "226:128\n");
  Add(minor + "/device", Kind::kLink, "../../../nacre-adreno");
  Add(minor + "/subsystem", Kind::kLink, "../../../../../class/drm");
}

void Picture::Add(const std::string& path, Kind kind,
                  absl::string_view content) {
  const size_t slash = path.rfind('/');
  const auto parent = nodes_.find(path.substr(0, slash));
  if (parent != nodes_.end()) {
    parent->second.entries.push_back(path.substr(slash + 1));
  }
  Node& node = nodes_[path];
  node.kind = kind;
  node.content.assign(content.begin(), content.end());
}

bool Picture::Covers(absl::string_view path) const {
  for (const absl::string_view root : {kDri, kNumber, kDevice}) {
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
