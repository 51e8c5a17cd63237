#include "devices/virtio_gpu/stats.h"

#include <numeric>

namespace nacre::virtio_gpu {
namespace {

using wire::Type;

constexpr size_t kFirst2d = 1;  // Slot 0 is for unknown types.
constexpr size_t kFirst3d = kFirst2d + 14;
constexpr size_t kFirstCursor = kFirst3d + 10;
static_assert(kFirstCursor + 2 == Stats::kNumCommandSlots);

bool IsBetween(Type type, Type first, Type last) {
  return type >= first && type <= last;
}

size_t Distance(Type type, Type first) {
  return static_cast<uint32_t>(type) - static_cast<uint32_t>(first);
}

size_t CommandSlot(Type type) {
  if (IsBetween(type, Type::kGetDisplayInfo, Type::kSetScanoutBlob)) {
    return kFirst2d + Distance(type, Type::kGetDisplayInfo);
  }
  if (IsBetween(type, Type::kCtxCreate, Type::kResourceUnmapBlob)) {
    return kFirst3d + Distance(type, Type::kCtxCreate);
  }
  if (IsBetween(type, Type::kUpdateCursor, Type::kMoveCursor)) {
    return kFirstCursor + Distance(type, Type::kUpdateCursor);
  }
  return 0;
}

size_t ErrorSlot(Type type) {
  return IsBetween(type, Type::kErrUnspec, Type::kErrInvalidParameter)
             ? Distance(type, Type::kErrUnspec)
             : 0;
}

template <typename Counters>
uint64_t Sum(const Counters& counters) {
  return std::accumulate(counters.begin(), counters.end(), uint64_t{0},
                         [](uint64_t sum, const Counter& counter) {
                           return sum + counter.value();
                         });
}

}  // namespace

Counter& Stats::commands(wire::Type type) {
  return commands_[CommandSlot(type)];
}
const Counter& Stats::commands(wire::Type type) const {
  return commands_[CommandSlot(type)];
}
uint64_t Stats::total_commands() const { return Sum(commands_); }

Counter& Stats::errors(wire::Type type) { return errors_[ErrorSlot(type)]; }
const Counter& Stats::errors(wire::Type type) const {
  return errors_[ErrorSlot(type)];
}
uint64_t Stats::total_errors() const { return Sum(errors_); }

}  // namespace nacre::virtio_gpu
