#include "nacre/hostile_guest/guest/second_cpu.h"

#include "nacre/hostile_guest/guest/machine.h"

namespace nacre::hostile_guest {
namespace {

// Written by one vCPU and read by the other.
struct {
  SecondCpu::Turn turn;
  void* context;
  uint64_t seed;
  bool running;  // What the first wants...
  bool runs;     // ... and what the second does.
} shared;

template <typename T>
T Get(T& field) {
  return __atomic_load_n(&field, __ATOMIC_ACQUIRE);
}
template <typename T>
void Set(T& field, T value) {
  __atomic_store_n(&field, value, __ATOMIC_RELEASE);
}

}  // namespace

SecondCpu::SecondCpu(Turn turn, void* context, uint64_t seed) {
  shared.turn = turn;
  shared.context = context;
  shared.seed = seed;
  Set(shared.running, true);
  StartSecondCpu();
  while (!Get(shared.runs)) Pause();
}

SecondCpu::~SecondCpu() {
  Set(shared.running, false);
  while (Get(shared.runs)) Pause();
}

extern "C" void SecondCpuMain() {
  Random random(shared.seed);
  Set(shared.runs, true);
  while (Get(shared.running)) shared.turn(shared.context, random);
  Set(shared.runs, false);
}

}  // namespace nacre::hostile_guest
