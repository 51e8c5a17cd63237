// A current GLES context that draws to no window, and native fences.

#ifndef NACRE_GUEST_PROGRAMS_SURFACELESS_EGL_H_
#define NACRE_GUEST_PROGRAMS_SURFACELESS_EGL_H_

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES3/gl3.h>
// After gl3.h, whose types it uses.
#include <GLES2/gl2ext.h>

#include "guest/programs/report.h"

namespace nacre::guest {

// The function of an extension; Fail()s if there is none.
template <typename Function>
Function EglFunction(const char* name) {
  auto function = reinterpret_cast<Function>(eglGetProcAddress(name));
  if (function == nullptr) Fail("EGL has no %s", name);
  return function;
}

// Makes a GLES 3 context current to the thread for as long as it lives, on
// Mesa's surfaceless platform: it takes the first render node it has a driver
// for. The context is lost when the GPU is reset, and can tell
// (ResetStatus). Any failure ends the program.
class SurfacelessEgl {
 public:
  SurfacelessEgl();
  ~SurfacelessEgl();

  SurfacelessEgl(const SurfacelessEgl&) = delete;
  SurfacelessEgl& operator=(const SurfacelessEgl&) = delete;

  // Flushes what was drawn so far with an EGL_ANDROID_native_fence_sync fence;
  // returns the fence's file descriptor, which is the caller's.
  int Flush() const;
  // Flush, and Wait.
  void FlushAndWait() const;
  // Waits for a fence with poll(), and closes its file descriptor.
  static void Wait(int fence);

  // glGetGraphicsResetStatusEXT.
  GLenum ResetStatus() const { return reset_status_(); }

 private:
  EGLDisplay display_ = EGL_NO_DISPLAY;
  EGLContext context_ = EGL_NO_CONTEXT;
  PFNEGLCREATESYNCKHRPROC create_sync_ = nullptr;
  PFNEGLDESTROYSYNCKHRPROC destroy_sync_ = nullptr;
  PFNEGLDUPNATIVEFENCEFDANDROIDPROC dup_fence_ = nullptr;
  PFNGLGETGRAPHICSRESETSTATUSEXTPROC reset_status_ = nullptr;
};

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_SURFACELESS_EGL_H_
