#ifndef NACRE_TOOLS_PRELOAD_NEXT_H_
#define NACRE_TOOLS_PRELOAD_NEXT_H_

#include <dlfcn.h>

#include "glog/logging.h"

// How an interposed function calls the one that it stands in front of, usually
// the C library's:
//   static auto* const real = Next<int(int)>("dup");

namespace nacre::preload {

template <typename Function>
Function* Next(const char* name) {
  void* const address = dlsym(RTLD_NEXT, name);
  CHECK(address != nullptr) << "nacre preload: the C library has no " << name;
  return reinterpret_cast<Function*>(address);
}

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_NEXT_H_
