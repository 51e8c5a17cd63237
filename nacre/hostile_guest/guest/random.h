#ifndef NACRE_NACRE_HOSTILE_GUEST_GUEST_RANDOM_H_
#define NACRE_NACRE_HOSTILE_GUEST_GUEST_RANDOM_H_

#include <cstdint>

namespace nacre::hostile_guest {

// The same numbers for the same seed: xorshift64* (Vigna, 2016).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}

  uint64_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1d;
  }
  uint32_t Word() { return static_cast<uint32_t>(Next() >> 32); }
  uint32_t Below(uint32_t limit) {
    return static_cast<uint32_t>((uint64_t{Word()} * limit) >> 32);
  }

  // Values at which code goes wrong, and any others.
  uint64_t Wild() {
    switch (Below(8)) {
      case 0:
        return 0;
      case 1:
        return ~uint64_t{0};
      case 2:
        return uint64_t{1} << Below(64);
      case 3:
        return (uint64_t{1} << Below(64)) - 1;
      case 4:
        return Below(64);
      case 5:
        return uint64_t{Below(0x10000)} << 12;
      case 6:
        return 0 - uint64_t{Below(0x10000)};
      default:
        return Next();
    }
  }
  uint32_t WildWord() { return static_cast<uint32_t>(Wild()); }

 private:
  uint64_t state_;
};

}  // namespace nacre::hostile_guest

#endif  // NACRE_NACRE_HOSTILE_GUEST_GUEST_RANDOM_H_
