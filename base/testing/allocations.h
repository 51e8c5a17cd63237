#ifndef NACRE_BASE_TESTING_ALLOCATIONS_H_
#define NACRE_BASE_TESTING_ALLOCATIONS_H_

#include <cstdint>

namespace nacre {

// What all threads of the program have on the heap by operator new, which this
// replaces in every program that links it. Sanitizers' runtimes have their own:
// under them (of Clang) nothing is counted, and all stay 0.

// Since the start.
int64_t Allocations();
// Now.
int64_t HeapBytes();
// Bytes of the largest since the last call, whether it is freed or not.
int64_t TakeLargestAllocation();

}  // namespace nacre

#endif  // NACRE_BASE_TESTING_ALLOCATIONS_H_
