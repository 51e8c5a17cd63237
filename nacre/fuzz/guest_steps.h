#ifndef NACRE_NACRE_FUZZ_GUEST_STEPS_H_
#define NACRE_NACRE_FUZZ_GUEST_STEPS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/page_size.h"

namespace nacre {

// What a guest does with one msm context, said by a string of bytes: any string
// says something, and most of it gets past the first check.
inline constexpr uint32_t kContext = 1;
inline constexpr uint32_t kResources = 10;  // Ids below; 1 is control memory.
inline constexpr uint32_t kQueues = 4;      // Ids below.
inline constexpr uint64_t kBlobPage = kLargestPageSize;
inline constexpr uint64_t kMaxBlobBytes = 3 * kBlobPage;
// Slots for answers in the control memory, none of them used twice.
inline constexpr uint32_t kSlot = 80;
inline constexpr size_t kMaxSteps = 200;

struct GuestStep {
  enum class Kind {
    kCcmd,
    kCreateBlob,  // RESOURCE_CREATE_BLOB, and its mapping.
    kUnref,       // RESOURCE_UNREF.
    kDetach,      // CTX_DETACH_RESOURCE.
    kAttach,      // CTX_ATTACH_RESOURCE.
    kDrain,       // The GPU does what it has been given; a fence on `ring`.
    kFence,       // A fence that is not waited for.
  };
  Kind kind = Kind::kCcmd;

  // kCcmd: what follows the header, and where the guest expects the answer.
  uint32_t cmd = 0;
  std::vector<uint8_t> body;
  uint32_t rsp_off = 0;
  // What the guest writes there beforehand: how much room there is. Not for
  // answers outside of the slots.
  bool has_slot = false;
  uint32_t room = 0;

  uint32_t resource_id = 0;
  uint64_t size = 0;
  uint8_t ring = 0;
};

std::vector<GuestStep> ReadGuestSteps(std::span<const uint8_t> bytes);

}  // namespace nacre

#endif  // NACRE_NACRE_FUZZ_GUEST_STEPS_H_
