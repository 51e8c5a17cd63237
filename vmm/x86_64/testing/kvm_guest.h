#ifndef NACRE_VMM_X86_64_TESTING_KVM_GUEST_H_
#define NACRE_VMM_X86_64_TESTING_KVM_GUEST_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "vmm/testing/register_device.h"
#include "vmm/x86_64/testing/tiny_guest.h"

namespace nacre::vmm::x86_64 {

// What tests that look at KVM from within a guest are made of: a fixture that
// has one with a device at a port, and the few instructions of its 16-bit code.

using Code = std::vector<uint8_t>;

inline constexpr uint8_t kPort = 0x80;
inline constexpr uint64_t kPage = 4096;
// Neither RAM nor, at first, a device.
inline constexpr uint64_t kOutside = 0x9000;

inline Code operator+(Code a, const Code& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline Code MovAl(uint8_t value) { return {0xb0, value}; }
inline Code MovAx(uint16_t value) {
  return {0xb8, static_cast<uint8_t>(value), static_cast<uint8_t>(value >> 8)};
}
inline Code InAl(uint8_t port) { return {0xe4, port}; }
inline Code OutAl(uint8_t port) { return {0xe6, port}; }
inline Code LoadAl(uint16_t address) {
  return {0xa0, static_cast<uint8_t>(address),
          static_cast<uint8_t>(address >> 8)};
}
inline Code StoreAl(uint16_t address) {
  return {0xa2, static_cast<uint8_t>(address),
          static_cast<uint8_t>(address >> 8)};
}
inline Code StoreAx(uint16_t address) {
  return {0xa3, static_cast<uint8_t>(address),
          static_cast<uint8_t>(address >> 8)};
}
inline const Code kIncAl = {0xfe, 0xc0};
inline const Code kSpin = {0xeb, 0xfe};
inline const Code kSti = {0xfb};
inline const Code kDone = OutAl(TinyGuest::kDonePort) + kSpin;

class KvmGuestTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<TinyGuest>> guest = TinyGuest::Create();
    if (!guest.ok()) GTEST_SKIP() << guest.status();
    guest_ = *std::move(guest);
    ASSERT_TRUE(guest_->ports().Insert(kPort, 4, &port_).ok());
  }

  Outcome Run(const Code& code) {
    guest_->Load(code);
    return guest_->Run();
  }

  std::unique_ptr<TinyGuest> guest_;
  RegisterDevice port_;
};

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_TESTING_KVM_GUEST_H_
