// Pictures that GLES makes with clears, blits, copies, uploads and readback,
// each checked against what the CPU works out.
//
//   gles_pictures [--out=DIR]
//
// Prints `GL_RENDERER: ...`, a line PASS or FAIL a picture and ends with
// `gles_pictures: ok pictures=N`. Exit code: 0 if all are right, 1 if not, 2
// for a wrong flag.

#include <cstdio>

#include "guest/programs/pictures/gles_cases.h"
#include "guest/programs/pictures/gles_objects.h"
#include "guest/programs/pictures/suite.h"
#include "guest/programs/surfaceless_egl.h"

int main(int argc, char** argv) {
  using namespace nacre::guest;
  Suite suite("gles_pictures", argc, argv);
  const SurfacelessEgl egl;
  std::printf("GL_RENDERER: %s\n", glGetString(GL_RENDERER));
  CheckGlesClears(suite);
  CheckGlesMasks(suite);
  CheckGlesFormats(suite);
  CheckGlesDepth(suite);
  CheckGlesBlits(suite);
  CheckGlesCopies(suite);
  CheckGlesUploads(suite);
  return suite.Finish();
}
