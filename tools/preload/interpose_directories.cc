#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "tools/preload/next.h"
#include "tools/preload/own_fds.h"
#include "tools/preload/preload.h"

// Interposed: the listing of directories.

namespace nacre::preload {
namespace {

static_assert(sizeof(dirent) == sizeof(dirent64));

bool IsAbsolute(const char* path) { return path != nullptr && *path == '/'; }

// The program's descriptors, of which it is not shown the library's own.
bool ListsFds(const char* path) {
  return std::strcmp(path, "/proc/self/fd") == 0 ||
         path == absl::StrCat("/proc/", getpid(), "/fd");
}

// A listing of the picture; the program has its address as a DIR*.
class Listing {
 public:
  explicit Listing(const Picture& picture, const Picture::Place& place) {
    Add(".", DT_DIR);
    Add("..", DT_DIR);
    for (const std::string& name : place.node->entries) {
      const Picture::Place entry =
          picture.Find(place.path + "/" + name, /*follow=*/false);
      Add(name, TypeOf(*entry.node));
    }
  }

  dirent* Next() {
    return next_ < entries_.size() ? &entries_[next_++] : nullptr;
  }
  void Rewind() { next_ = 0; }

 private:
  static unsigned char TypeOf(const Picture::Node& node) {
    switch (node.kind) {
      case Picture::Kind::kDirectory:
        return DT_DIR;
      case Picture::Kind::kFile:
        return DT_REG;
      case Picture::Kind::kLink:
        return DT_LNK;
      case Picture::Kind::kRenderNode:
        return DT_CHR;
    }
    return DT_UNKNOWN;
  }

  void Add(const std::string& name, unsigned char type) {
    dirent entry{};
    entry.d_ino = entries_.size() + 1;
    entry.d_off = static_cast<off_t>(entries_.size() + 1);
    entry.d_reclen = sizeof(entry);
    entry.d_type = type;
    std::memcpy(entry.d_name, name.data(),
                std::min(name.size(), sizeof(entry.d_name) - 1));
    entries_.push_back(entry);
  }

  std::vector<dirent> entries_;
  size_t next_ = 0;
};

// The listings that are open. Thread-safe.
class Listings {
 public:
  static Listings& Get() {
    static Listings* const listings = new Listings();
    return *listings;
  }

  DIR* Add(std::unique_ptr<Listing> listing) {
    MutexLock lock(mutex_);
    listings_.push_back(std::move(listing));
    count_.store(listings_.size() + fds_.size());
    return reinterpret_cast<DIR*>(listings_.back().get());
  }
  // Of a real directory: the program's descriptors.
  DIR* AddFds(DIR* directory) {
    if (directory == nullptr) return nullptr;
    MutexLock lock(mutex_);
    fds_.push_back(directory);
    count_.store(listings_.size() + fds_.size());
    return directory;
  }
  bool IsFds(DIR* directory) {
    if (count_.load() == 0) return false;
    MutexLock lock(mutex_);
    return std::find(fds_.begin(), fds_.end(), directory) != fds_.end();
  }
  // Null for a DIR that is not ours.
  Listing* Find(DIR* directory) {
    if (count_.load() == 0) return nullptr;
    MutexLock lock(mutex_);
    for (const auto& listing : listings_) {
      if (Is(listing, directory)) return listing.get();
    }
    return nullptr;
  }
  // Whether there is nothing left to close.
  bool Remove(DIR* directory) {
    if (count_.load() == 0) return false;
    MutexLock lock(mutex_);
    const size_t removed = std::erase_if(
        listings_, [&](const auto& listing) { return Is(listing, directory); });
    std::erase(fds_, directory);
    count_.store(listings_.size() + fds_.size());
    return removed != 0;
  }

 private:
  static bool Is(const std::unique_ptr<Listing>& listing, DIR* directory) {
    return reinterpret_cast<DIR*>(listing.get()) == directory;
  }

  std::atomic<size_t> count_{0};
  Mutex mutex_;
  std::vector<std::unique_ptr<Listing>> listings_ ABSL_GUARDED_BY(mutex_);
  std::vector<DIR*> fds_ ABSL_GUARDED_BY(mutex_);
};

// Whether a name in the list of descriptors is for the program to see: no
// longer is what was closed since the list was read.
bool IsShown(const char* name) {
  int fd = 0;
  if (!absl::SimpleAtoi(name, &fd)) return true;
  return !OwnFds::Get().Has(fd) && fcntl(fd, F_GETFD) >= 0;
}

// Of a real directory.
template <typename Entry>
Entry* NextShown(DIR* directory, Entry* (*real)(DIR*)) {
  Entry* entry = real(directory);
  if (!Listings::Get().IsFds(directory)) return entry;
  while (entry != nullptr && !IsShown(entry->d_name)) entry = real(directory);
  return entry;
}

}  // namespace

extern "C" {

DIR* opendir(const char* path) {
  static auto* const real = Next<DIR*(const char*)>("opendir");
  if (!IsAbsolute(path)) return real(path);
  if (ListsFds(path)) return Listings::Get().AddFds(real(path));
  const Picture& picture = Preload::Get().picture();
  const Picture::Place place = picture.Find(path, /*follow=*/true);
  if (place.node == nullptr && place.outside) return real(place.path.c_str());
  if (place.node == nullptr || place.node->kind != Picture::Kind::kDirectory) {
    errno = place.node == nullptr ? ENOENT : ENOTDIR;
    return nullptr;
  }
  return Listings::Get().Add(std::make_unique<Listing>(picture, place));
}

dirent* readdir(DIR* directory) {
  static auto* const real = Next<dirent*(DIR*)>("readdir");
  Listing* const listing = Listings::Get().Find(directory);
  return listing != nullptr ? listing->Next() : NextShown(directory, real);
}

dirent64* readdir64(DIR* directory) {
  static auto* const real = Next<dirent64*(DIR*)>("readdir64");
  Listing* const listing = Listings::Get().Find(directory);
  return listing != nullptr ? reinterpret_cast<dirent64*>(listing->Next())
                            : NextShown(directory, real);
}

void rewinddir(DIR* directory) noexcept {
  static auto* const real = Next<void(DIR*)>("rewinddir");
  Listing* const listing = Listings::Get().Find(directory);
  if (listing != nullptr) return listing->Rewind();
  real(directory);
}

int closedir(DIR* directory) {
  static auto* const real = Next<int(DIR*)>("closedir");
  return Listings::Get().Remove(directory) ? 0 : real(directory);
}

// A listing has no descriptor.
int dirfd(DIR* directory) noexcept {
  static auto* const real = Next<int(DIR*)>("dirfd");
  if (Listings::Get().Find(directory) == nullptr) return real(directory);
  errno = ENOTSUP;
  return -1;
}

}  // extern "C"

}  // namespace nacre::preload
