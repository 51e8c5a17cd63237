#include "tools/preload/gpu.h"

#include <fcntl.h>

#include "base/errno_status.h"
#include "base/event_fd.h"
#include "base/status_macros.h"
#include "tools/preload/own_fds.h"
#include "tools/preload/render_node.h"

namespace nacre::preload {

Gpu::Gpu(FdTable& fds)
    : fds_(fds),
      sync_files_(
          [this](Fd fd, std::shared_ptr<OpenFile> file) {
            return Install(std::move(fd), std::move(file));
          },
          [this](int fd) { return fds_.FindAs<SyncFile>(fd); }) {}

int Gpu::Install(Fd fd, std::shared_ptr<OpenFile> file) {
  OwnFds::Get().Remove(fd.get());
  fds_.Insert(fd.get(), std::move(file));
  return fd.Release();
}

absl::StatusOr<int> Gpu::OpenRenderNode(bool close_on_exec) {
  ASSIGN_OR_RETURN(EventFd event, EventFd::Create());
  Fd fd(fcntl(event.fd(), close_on_exec ? F_DUPFD_CLOEXEC : F_DUPFD, 0));
  if (!fd.valid()) return ErrnoStatus("fcntl(F_DUPFD, render node)");
  ASSIGN_OR_RETURN(std::shared_ptr<RenderNode> node, NewNode(std::move(event)));
  return Install(std::move(fd), std::move(node));
}

void Gpu::OnFencesSignalled() {
  sync_files_.OnWorkDone();
  changes_.Announce();
}

}  // namespace nacre::preload
