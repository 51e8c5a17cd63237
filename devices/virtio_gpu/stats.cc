#include "devices/virtio_gpu/stats.h"

#include <numeric>

namespace nacre::virtio_gpu {
namespace {

using wire::Type;

size_t ErrorSlot(Type type) {
  return type >= Type::kErrUnspec && type <= Type::kErrInvalidParameter
             ? static_cast<uint32_t>(type) -
                   static_cast<uint32_t>(Type::kErrUnspec)
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

uint64_t Stats::total_commands() const { return Sum(commands_); }

Counter& Stats::errors(wire::Type type) { return errors_[ErrorSlot(type)]; }
const Counter& Stats::errors(wire::Type type) const {
  return errors_[ErrorSlot(type)];
}
uint64_t Stats::total_errors() const { return Sum(errors_); }

}  // namespace nacre::virtio_gpu
