#ifndef NACRE_BASE_CHECKED_H_
#define NACRE_BASE_CHECKED_H_

#include <concepts>
#include <cstdint>
#include <optional>
#include <type_traits>

namespace nacre {

// Arithmetic on numbers that somebody else chose: nullopt on overflow.
template <std::unsigned_integral T>
constexpr std::optional<T> CheckedAdd(T a, std::type_identity_t<T> b) {
  T sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

template <std::unsigned_integral T>
constexpr std::optional<T> CheckedMultiply(T a, std::type_identity_t<T> b) {
  T product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// Whether [offset, offset + length) lies within [0, size). Never overflows.
constexpr bool RangeFits(uint64_t offset, uint64_t length, uint64_t size) {
  return offset <= size && length <= size - offset;
}

// Whether [a, a + a_size) and [b, b + b_size) share a byte. Neither range may
// wrap.
constexpr bool RangesOverlap(uint64_t a, uint64_t a_size, uint64_t b,
                             uint64_t b_size) {
  return a < b + b_size && b < a + a_size;
}

constexpr bool IsPowerOfTwo(uint64_t value) {
  return value != 0 && (value & (value - 1)) == 0;
}

// `alignment` is a power of two.
constexpr bool IsAligned(uint64_t value, uint64_t alignment) {
  return (value & (alignment - 1)) == 0;
}

constexpr uint64_t AlignDown(uint64_t value, uint64_t alignment) {
  return value & ~(alignment - 1);
}

constexpr std::optional<uint64_t> CheckedAlignUp(uint64_t value,
                                                 uint64_t alignment) {
  const std::optional<uint64_t> sum = CheckedAdd(value, alignment - 1);
  if (!sum) return std::nullopt;
  return *sum & ~(alignment - 1);
}

}  // namespace nacre

#endif  // NACRE_BASE_CHECKED_H_
