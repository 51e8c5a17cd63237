#include "vmm/aarch64/kernel_image.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"

namespace nacre::vmm::aarch64 {
namespace {

struct ImageHeader {
  uint32_t code[2];
  uint64_t text_offset;
  uint64_t image_size;
  uint64_t flags;
  uint64_t reserved[3];
  uint32_t magic;
  uint32_t pe_offset;
};
static_assert(sizeof(ImageHeader) == kKernelHeadSize);

constexpr uint32_t kMagic = 0x644d5241;  // "ARM\x64"
constexpr uint64_t kBigEndian = 1 << 0;

// What an EFI zboot image begins with (kernel:
// drivers/firmware/efi/libstub/zboot-header.S).
struct ZbootHeader {
  std::array<uint8_t, 4> dos_magic;
  std::array<uint8_t, 4> magic;
  uint32_t payload_offset;
  uint32_t payload_size;
};
constexpr std::array<uint8_t, 4> kZbootMagic = {'z', 'i', 'm', 'g'};

constexpr std::array<uint8_t, 2> kGzipMagic = {0x1f, 0x8b};
constexpr std::array<uint8_t, 4> kElfMagic = {0x7f, 'E', 'L', 'F'};

absl::Status NotAKernel(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      what, "; needed is an arm64 Linux Image (arch/arm64/boot/Image)"));
}

template <size_t kSize>
bool StartsWith(std::span<const uint8_t> bytes,
                const std::array<uint8_t, kSize>& prefix) {
  return bytes.size() >= kSize &&
         std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

}  // namespace

absl::StatusOr<KernelImage> ParseKernelImage(std::span<const uint8_t> head,
                                             uint64_t file_size) {
  if (StartsWith(head, kGzipMagic)) {
    return NotAKernel("compressed with gzip: unpack it, with gzip -dc");
  }
  if (StartsWith(head, kElfMagic)) {
    return NotAKernel("an ELF file, not the Image that is built from it");
  }
  const std::optional<ZbootHeader> zboot = ByteReader(head).Read<ZbootHeader>();
  if (zboot && zboot->magic == kZbootMagic) {
    return NotAKernel(absl::StrFormat(
        "an EFI zboot image: unpack the %d compressed bytes at offset %d of it",
        zboot->payload_size, zboot->payload_offset));
  }
  const std::optional<ImageHeader> header =
      ByteReader(head).Read<ImageHeader>();
  if (!header || header->magic != kMagic) {
    return NotAKernel("not an arm64 Image");
  }
  if ((header->flags & kBigEndian) != 0) {
    return NotAKernel("a big-endian kernel; needed is a little-endian one");
  }
  // Kernels before 3.17, which do not say how much memory they need.
  if (header->image_size == 0) {
    return NotAKernel("an Image without a size, of a kernel before 3.17");
  }
  if (header->text_offset >= kPlacementAlignment ||
      header->text_offset % alignof(uint32_t) != 0) {
    return NotAKernel(absl::StrFormat(
        "an Image with text offset %#x, which is not below 2 MiB",
        header->text_offset));
  }
  return KernelImage{header->text_offset,
                     std::max(header->image_size, file_size)};
}

}  // namespace nacre::vmm::aarch64
