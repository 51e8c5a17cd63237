#ifndef NACRE_TOOLS_PRELOAD_USER_POINTER_H_
#define NACRE_TOOLS_PRELOAD_USER_POINTER_H_

#include <cstdint>

namespace nacre::preload {

// The program's pointer that an ioctl's argument has as an integer.
template <typename T>
T* UserPointer(uint64_t address) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the UAPI's way.
  return reinterpret_cast<T*>(static_cast<uintptr_t>(address));
}

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_USER_POINTER_H_
