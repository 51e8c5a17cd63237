#ifndef NACRE_NACRE_HOSTILE_GUEST_GUEST_SECOND_CPU_H_
#define NACRE_NACRE_HOSTILE_GUEST_GUEST_SECOND_CPU_H_

#include <cstdint>

#include "nacre/hostile_guest/guest/random.h"

namespace nacre::hostile_guest {

// The second vCPU, which is started to do one thing over and over while this
// object lives, and halts.
class SecondCpu {
 public:
  // `turn` runs there, again and again; `context` is passed on to it.
  using Turn = void (*)(void* context, Random& random);
  SecondCpu(Turn turn, void* context, uint64_t seed);
  ~SecondCpu();
};

}  // namespace nacre::hostile_guest

#endif  // NACRE_NACRE_HOSTILE_GUEST_GUEST_SECOND_CPU_H_
