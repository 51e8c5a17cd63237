#include "guest/programs/surfaceless_egl.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace nacre::guest {
namespace {

// A frame that is not done by then never will be.
constexpr int kFenceTimeoutMs = 30000;

void CheckEgl(bool ok, const char* what) {
  if (!ok) Fail("%s: EGL error 0x%04x", what, eglGetError());
}

}  // namespace

SurfacelessEgl::SurfacelessEgl() {
  display_ = eglGetPlatformDisplay(EGL_PLATFORM_SURFACELESS_MESA,
                                   EGL_DEFAULT_DISPLAY, nullptr);
  CheckEgl(display_ != EGL_NO_DISPLAY, "eglGetPlatformDisplay");
  CheckEgl(eglInitialize(display_, nullptr, nullptr),
           "eglInitialize (has /dev/dri a render node with native context?)");
  const char* extensions = eglQueryString(display_, EGL_EXTENSIONS);
  for (const char* name :
       {"EGL_KHR_no_config_context", "EGL_KHR_surfaceless_context",
        "EGL_ANDROID_native_fence_sync", "EGL_EXT_create_context_robustness"}) {
    if (extensions == nullptr || std::strstr(extensions, name) == nullptr) {
      Fail("the EGL display lacks %s", name);
    }
  }
  create_sync_ = EglFunction<PFNEGLCREATESYNCKHRPROC>("eglCreateSyncKHR");
  destroy_sync_ = EglFunction<PFNEGLDESTROYSYNCKHRPROC>("eglDestroySyncKHR");
  dup_fence_ = EglFunction<PFNEGLDUPNATIVEFENCEFDANDROIDPROC>(
      "eglDupNativeFenceFDANDROID");

  CheckEgl(eglBindAPI(EGL_OPENGL_ES_API), "eglBindAPI");
  constexpr EGLint kAttributes[] = {
      EGL_CONTEXT_CLIENT_VERSION,
      3,
      EGL_CONTEXT_OPENGL_RESET_NOTIFICATION_STRATEGY_EXT,
      EGL_LOSE_CONTEXT_ON_RESET_EXT,
      EGL_NONE,
  };
  context_ = eglCreateContext(display_, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT,
                              kAttributes);
  CheckEgl(context_ != EGL_NO_CONTEXT, "eglCreateContext");
  CheckEgl(eglMakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, context_),
           "eglMakeCurrent");
  reset_status_ = EglFunction<PFNGLGETGRAPHICSRESETSTATUSEXTPROC>(
      "glGetGraphicsResetStatusEXT");
}

SurfacelessEgl::~SurfacelessEgl() {
  CheckEgl(
      eglMakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT),
      "eglMakeCurrent of nothing");
  CheckEgl(eglDestroyContext(display_, context_), "eglDestroyContext");
  CheckEgl(eglTerminate(display_), "eglTerminate");
  CheckEgl(eglReleaseThread(), "eglReleaseThread");
}

int SurfacelessEgl::Flush() const {
  constexpr EGLint kAttributes[] = {EGL_SYNC_NATIVE_FENCE_FD_ANDROID,
                                    EGL_NO_NATIVE_FENCE_FD_ANDROID, EGL_NONE};
  const EGLSyncKHR sync =
      create_sync_(display_, EGL_SYNC_NATIVE_FENCE_ANDROID, kAttributes);
  CheckEgl(sync != EGL_NO_SYNC_KHR, "eglCreateSyncKHR of a native fence");
  glFlush();
  const int fd = dup_fence_(display_, sync);
  CheckEgl(fd != EGL_NO_NATIVE_FENCE_FD_ANDROID, "eglDupNativeFenceFDANDROID");
  CheckEgl(destroy_sync_(display_, sync), "eglDestroySyncKHR");
  return fd;
}

void SurfacelessEgl::FlushAndWait() const { Wait(Flush()); }

void SurfacelessEgl::Wait(int fence) {
  pollfd poll_fd = {.fd = fence, .events = POLLIN, .revents = 0};
  int ready;
  do {
    ready = poll(&poll_fd, 1, kFenceTimeoutMs);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) Fail("the native fence did not signal within 30 s");
  if (ready < 0 || (poll_fd.revents & POLLIN) == 0) {
    Fail("poll of the native fence: %s, events 0x%x", std::strerror(errno),
         static_cast<unsigned>(poll_fd.revents));
  }
  close(fence);
}

}  // namespace nacre::guest
