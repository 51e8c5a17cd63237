#ifndef NACRE_SIMULATOR_PACKETS_FIXTURE_H_
#define NACRE_SIMULATOR_PACKETS_FIXTURE_H_

#include <chrono>
#include <cstdint>
#include <vector>

#include "simulator/cp_fixture.h"
#include "simulator/cp_state.h"

namespace nacre::simulator {

// For tests of the packets' handlers, one by one. The GPU's memory is that of
// CpFixture; waits last a millisecond.
class PacketsFixture : public CpFixture {
 protected:
  // A register that means nothing here.
  static constexpr uint32_t kReg = 0x8c20;

  PacketsFixture() {
    state_.memory.Attach(space_);
    state_.work_left = 1000;
    state_.hang_timeout = std::chrono::milliseconds(1);
  }
  ~PacketsFixture() override { state_.memory.Detach(); }

  static uint32_t Lo(size_t dword) {
    return static_cast<uint32_t>(IovaOf(dword));
  }
  static uint32_t Hi(size_t dword) {
    return static_cast<uint32_t>(IovaOf(dword) >> 32);
  }
  using Handler = Hang (*)(CpState&, Payload);
  Hang Do(Handler handler, const std::vector<uint32_t>& payload) {
    return handler(state_, payload);
  }

  CpState state_{RegisterFile::Memory().value()};
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_PACKETS_FIXTURE_H_
