#include "vmm/x86_64/aml.h"

#include <limits>

#include "absl/strings/numbers.h"
#include "base/bytes.h"
#include "glog/logging.h"

namespace nacre::vmm::x86_64::aml {
namespace {

constexpr uint8_t kZeroOp = 0x00;
constexpr uint8_t kOneOp = 0x01;
constexpr uint8_t kNameOp = 0x08;
constexpr uint8_t kBytePrefix = 0x0a;
constexpr uint8_t kWordPrefix = 0x0b;
constexpr uint8_t kDwordPrefix = 0x0c;
constexpr uint8_t kStringPrefix = 0x0d;
constexpr uint8_t kQwordPrefix = 0x0e;
constexpr uint8_t kScopeOp = 0x10;
constexpr uint8_t kBufferOp = 0x11;
constexpr uint8_t kPackageOp = 0x12;
constexpr uint8_t kExtendedPrefix = 0x5b;
constexpr uint8_t kDeviceOp = 0x82;
constexpr uint8_t kRootCharacter = '\\';

// Address space descriptors (6.4.3.5).
constexpr uint8_t kWordAddressSpace = 0x88;
constexpr uint8_t kDwordAddressSpace = 0x87;
constexpr uint8_t kQwordAddressSpace = 0x8a;
constexpr uint8_t kMemoryRange = 0;
constexpr uint8_t kBusNumberRange = 2;
constexpr uint8_t kMinAndMaxFixed = 0x0c;  // Producer, positive decode.
constexpr uint8_t kReadWrite = 0x01;
constexpr uint8_t kCacheablePrefetchable = 0x06;

template <typename T>
void Put(Bytes& out, T value) {
  const std::span<const uint8_t> bytes = AsBytes(value);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void Put(Bytes& out, const Bytes& bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// PkgLength (20.2.4) counts itself.
Bytes WithPackageLength(const Bytes& body) {
  Bytes out;
  size_t total = body.size() + 1;
  if (total <= 0x3f) {
    out.push_back(static_cast<uint8_t>(total));
  } else {
    size_t follow = 1;
    while (body.size() + 1 + follow >= size_t{1} << (4 + 8 * follow)) ++follow;
    CHECK_LE(follow, 3u);
    total = body.size() + 1 + follow;
    out.push_back(static_cast<uint8_t>(follow << 6 | (total & 0xf)));
    for (size_t i = 0; i < follow; ++i) {
      out.push_back(static_cast<uint8_t>(total >> (4 + 8 * i)));
    }
  }
  Put(out, body);
  return out;
}

Bytes NameSegment(absl::string_view name) {
  CHECK_EQ(name.size(), 4u) << name;
  return Bytes(name.begin(), name.end());
}

template <typename T>
Bytes AddressSpace(uint8_t tag, uint8_t type, uint8_t type_flags, T first,
                   T last, T length) {
  Bytes out = {tag};
  Put(out, static_cast<uint16_t>(3 + 5 * sizeof(T)));
  out.push_back(type);
  out.push_back(kMinAndMaxFixed);
  out.push_back(type_flags);
  for (const T value : {T{0}, first, last, T{0}, length}) Put(out, value);
  return out;
}

}  // namespace

Bytes Join(std::initializer_list<Bytes> terms) {
  Bytes out;
  for (const Bytes& term : terms) Put(out, term);
  return out;
}

Bytes Integer(uint64_t value) {
  Bytes out;
  if (value <= 1) {
    out.push_back(value == 0 ? kZeroOp : kOneOp);
  } else if (value <= std::numeric_limits<uint8_t>::max()) {
    out = {kBytePrefix, static_cast<uint8_t>(value)};
  } else if (value <= std::numeric_limits<uint16_t>::max()) {
    out = {kWordPrefix};
    Put(out, static_cast<uint16_t>(value));
  } else if (value <= std::numeric_limits<uint32_t>::max()) {
    out = {kDwordPrefix};
    Put(out, static_cast<uint32_t>(value));
  } else {
    out = {kQwordPrefix};
    Put(out, value);
  }
  return out;
}

Bytes String(absl::string_view text) {
  return Join({{kStringPrefix}, Bytes(text.begin(), text.end()), Bytes{0}});
}

Bytes EisaId(absl::string_view id) {
  CHECK_EQ(id.size(), 7u) << id;
  uint32_t number = 0;
  CHECK(absl::SimpleHexAtoi(id.substr(3), &number)) << id;
  const auto letter = [id](size_t i) -> uint32_t {
    return (id[i] - '@') & 0x1f;
  };
  const uint32_t value =
      letter(0) << 26 | letter(1) << 21 | letter(2) << 16 | number;
  Bytes out = {kDwordPrefix};
  Put(out, __builtin_bswap32(value));
  return out;
}

Bytes Package(std::initializer_list<Bytes> elements) {
  Bytes body = {static_cast<uint8_t>(elements.size())};
  Put(body, Join(elements));
  return Join({{kPackageOp}, WithPackageLength(body)});
}

Bytes Name(absl::string_view name, const Bytes& value) {
  return Join({{kNameOp}, NameSegment(name), value});
}

Bytes RootName(absl::string_view name, const Bytes& value) {
  return Join({{kNameOp, kRootCharacter}, NameSegment(name), value});
}

Bytes Device(absl::string_view name, std::initializer_list<Bytes> terms) {
  return Join({{kExtendedPrefix, kDeviceOp},
               WithPackageLength(Join({NameSegment(name), Join(terms)}))});
}

Bytes SystemBusScope(std::initializer_list<Bytes> terms) {
  return Join({{kScopeOp},
               WithPackageLength(Join(
                   {{kRootCharacter}, NameSegment("_SB_"), Join(terms)}))});
}

Bytes ResourceTemplate(std::initializer_list<Bytes> descriptors) {
  // End tag (6.4.2.9); checksum 0 means that there is none.
  const Bytes resources = Join({Join(descriptors), {0x79, 0x00}});
  return Join(
      {{kBufferOp},
       WithPackageLength(Join({Integer(resources.size()), resources}))});
}

Bytes Ports(uint16_t base, uint8_t size) {
  Bytes out = {0x47, 0x01};  // I/O port descriptor, decodes 16 bits (6.4.2.5).
  Put(out, base);
  Put(out, base);
  out.push_back(1);  // Alignment.
  out.push_back(size);
  return out;
}

Bytes Memory32Fixed(uint32_t address, uint32_t size) {
  Bytes out = {0x86, 9, 0, kReadWrite};  // 6.4.3.4
  Put(out, address);
  Put(out, size);
  return out;
}

Bytes EdgeInterrupt(uint32_t gsi) {
  // Extended interrupt descriptor (6.4.3.6): consumer, edge, one input.
  Bytes out = {0x89, 6, 0, 0x03, 1};
  Put(out, gsi);
  return out;
}

Bytes BusNumbers(uint16_t first, uint16_t last) {
  return AddressSpace<uint16_t>(kWordAddressSpace, kBusNumberRange, 0, first,
                                last, static_cast<uint16_t>(last - first + 1));
}

Bytes MemoryWindow32(uint32_t address, uint32_t size) {
  return AddressSpace<uint32_t>(kDwordAddressSpace, kMemoryRange, kReadWrite,
                                address, address + (size - 1), size);
}

Bytes MemoryWindow64(uint64_t address, uint64_t size) {
  return AddressSpace<uint64_t>(kQwordAddressSpace, kMemoryRange,
                                kReadWrite | kCacheablePrefetchable, address,
                                address + (size - 1), size);
}

}  // namespace nacre::vmm::x86_64::aml
