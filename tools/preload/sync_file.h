#ifndef NACRE_TOOLS_PRELOAD_SYNC_FILE_H_
#define NACRE_TOOLS_PRELOAD_SYNC_FILE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "tools/preload/open_file.h"
#include "tools/preload/pending_work.h"

namespace nacre::preload {

class SyncFiles;

// A fence as a descriptor (Linux drivers/dma-buf/sync_file.c): polls readable
// once its work is done, and stays so. The descriptor is an eventfd.
class SyncFile final : public OpenFile {
 public:
  SyncFile(SyncFiles& files, PendingWork work, std::string name);

  const PendingWork& work() const { return work_; }

  // SYNC_IOC_MERGE and SYNC_IOC_FILE_INFO; ENOTTY for others.
  absl::Status Ioctl(uint32_t request, void* argument) override;

 private:
  absl::Status Merge(void* argument);
  absl::Status FileInfo(void* argument) const;

  SyncFiles& files_;
  const PendingWork work_;
  const std::string name_;
};

// Makes sync_files and signals them. Thread-safe.
class SyncFiles {
 public:
  // Makes an OpenFile reachable at the descriptor, which it takes.
  using Install = std::function<int(Fd fd, std::shared_ptr<OpenFile> file)>;
  // The sync_file behind the program's descriptor, or null.
  using Find = std::function<std::shared_ptr<SyncFile>(int fd)>;

  SyncFiles(Install install, Find find)
      : install_(std::move(install)), find_(std::move(find)) {}

  // A descriptor that is waited with, for work that is given afterwards: the
  // kernel too reserves one before it does what cannot be undone. EMFILE.
  class Reserved {
   private:
    friend class SyncFiles;
    Reserved(EventFd event, Fd fd)
        : event_(std::move(event)), fd_(std::move(fd)) {}
    EventFd event_;
    Fd fd_;
  };
  static absl::StatusOr<Reserved> Reserve();
  // Returns the program's new descriptor. `name` up to 31 bytes.
  int Create(Reserved reserved, PendingWork work, std::string name = "nacre");

  std::shared_ptr<SyncFile> FindFile(int fd) const { return find_(fd); }

  // To be called when work was done.
  void OnWorkDone();

 private:
  struct Pending {
    PendingWork work;
    EventFd event;
  };

  const Install install_;
  const Find find_;
  Mutex mutex_;
  std::vector<Pending> pending_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_SYNC_FILE_H_
