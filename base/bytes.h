#ifndef NACRE_BASE_BYTES_H_
#define NACRE_BASE_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

namespace nacre {

// Structures of a wire are trivially copyable; all hosts and guests here are
// little-endian, so that memory order is wire order.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

template <typename T>
concept WireType = std::is_trivially_copyable_v<T>;

// Reads values one after the other from bytes that are already ours (copied
// out of the guest, see GuestMemory). Never reads past the end, needs no
// alignment.
class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  size_t remaining() const { return bytes_.size(); }

  // The next sizeof(T) bytes, or nullopt (and nothing consumed) where fewer
  // are left.
  template <WireType T>
  std::optional<T> Read() {
    if (bytes_.size() < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_ = bytes_.subspan(sizeof(T));
    return value;
  }

  // As Read, but bytes that the sender's older structure lacks read as zero.
  template <WireType T>
  T ReadZeroExtended() {
    T value;
    if (bytes_.size() >= sizeof(T)) [[likely]] {
      std::memcpy(&value, bytes_.data(), sizeof(T));
      bytes_ = bytes_.subspan(sizeof(T));
      return value;
    }
    value = {};
    if (!bytes_.empty()) std::memcpy(&value, bytes_.data(), bytes_.size());
    bytes_ = {};
    return value;
  }

  // The next `size` bytes, as a view into what this reads from.
  std::optional<std::span<const uint8_t>> ReadBytes(size_t size) {
    if (bytes_.size() < size) return std::nullopt;
    const std::span<const uint8_t> result = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return result;
  }

 private:
  std::span<const uint8_t> bytes_;
};

// Views of a wire structure as bytes.
template <WireType T>
std::span<const uint8_t> AsBytes(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof(T)};
}
template <WireType T>
std::span<uint8_t> AsWritableBytes(T& value) {
  return {reinterpret_cast<uint8_t*>(&value), sizeof(T)};
}

}  // namespace nacre

#endif  // NACRE_BASE_BYTES_H_
