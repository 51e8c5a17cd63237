#include "nacre/signal_watch.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "absl/memory/memory.h"
#include "base/errno_status.h"
#include "base/status_macros.h"

namespace nacre {

absl::StatusOr<std::unique_ptr<SignalWatch>> SignalWatch::Create(
    vmm::EventLoop& loop) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  Fd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus("signalfd");
  sigset_t old_mask;
  if (const int error = pthread_sigmask(SIG_BLOCK, &signals, &old_mask);
      error != 0) {
    return ErrnoStatus(error, "pthread_sigmask");
  }
  auto watch = absl::WrapUnique(new SignalWatch(loop, std::move(fd), old_mask));
  SignalWatch* const raw = watch.get();
  RETURN_IF_ERROR(loop.Watch(watch->fd_.get(), EPOLLIN,
                             [raw](uint32_t) { raw->OnSignal(); }));
  return watch;
}

SignalWatch::~SignalWatch() {
  (void)loop_.Unwatch(fd_.get());
  Take();  // What came once the loop had ended.
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

void SignalWatch::OnSignal() {
  if (!Take()) return;
  signalled_ = true;
  loop_.Stop();
}

bool SignalWatch::Take() {
  bool any = false;
  signalfd_siginfo signal;
  while (read(fd_.get(), &signal, sizeof(signal)) == sizeof(signal)) any = true;
  return any;
}

}  // namespace nacre
