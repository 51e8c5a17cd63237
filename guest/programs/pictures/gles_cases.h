// The pictures that GLES makes, by what makes them: each uses only operations
// that Mesa's freedreno does without a draw.

#ifndef NACRE_GUEST_PROGRAMS_PICTURES_GLES_CASES_H_
#define NACRE_GUEST_PROGRAMS_PICTURES_GLES_CASES_H_

#include "guest/programs/pictures/suite.h"

namespace nacre::guest {

// A GLES 3.2 context is current for all of them.
void CheckGlesClears(Suite& suite);
void CheckGlesMasks(Suite& suite);
void CheckGlesFormats(Suite& suite);
void CheckGlesDepth(Suite& suite);
void CheckGlesBlits(Suite& suite);
void CheckGlesCopies(Suite& suite);
void CheckGlesUploads(Suite& suite);

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_PICTURES_GLES_CASES_H_
