#ifndef NACRE_TOOLS_PRELOAD_PICTURE_H_
#define NACRE_TOOLS_PRELOAD_PICTURE_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace nacre::preload {

// Where sysfs has a driver's device, and what is there.
struct SysfsDevice {
  // Absolute, below /sys/devices. Nothing else of the machine's is shown there.
  std::string root;
  // The device that has the render node: `root`, or a folder below.
  std::string path;
  // Paths relative to `root` of files (with their content) and of links (with
  // where they point to). Folders that are missing are made.
  std::vector<std::pair<std::string, std::string>> files;
  std::vector<std::pair<std::string, std::string>> links;
};

// The files by which programs find a GPU, as they are on a machine with one
// device: /dev/dri with a render node, and what libdrm reads of it in sysfs.
// They stand in front of the machine's own: below
// the folders named here nothing else exists. Immutable.
class Picture {
 public:
  enum class Kind { kDirectory, kFile, kLink, kRenderNode };
  struct Node {
    Kind kind = Kind::kDirectory;
    std::string content;               // Of a file; where a link points to.
    std::vector<std::string> entries;  // Of a directory.
  };

  explicit Picture(const SysfsDevice& device);

  // What an absolute path leads to.
  struct Place {
    // With links followed, without "." and "..".
    std::string path;
    // Null for what the picture has not...
    const Node* node = nullptr;
    // ... and then: whether the machine's own may have it.
    bool outside = true;
  };
  // `follow`: whether also the last component, where it is a link.
  Place Find(absl::string_view path, bool follow) const;

 private:
  // With the folders that lead there.
  void Add(const std::string& path, Kind kind, absl::string_view content = "");
  bool Covers(absl::string_view path) const;

  // Below these folders the machine's own are hidden.
  const std::vector<std::string> roots_;
  std::map<std::string, Node> nodes_;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_PICTURE_H_
