#include "vmm/x86_64/kernel_image.h"

#include <elf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/status_macros.h"
#include "vmm/x86_64/layout.h"

namespace nacre::vmm::x86_64 {
namespace {

constexpr size_t kSetupHeaderOffset = 0x1f1;
// Where the byte after the jump's opcode counts from.
constexpr size_t kHeaderEndBase = 0x202;
constexpr size_t kSectorSize = 512;
constexpr uint16_t kBootFlag = 0xaa55;
constexpr uint32_t kHeaderMagic = 0x53726448;  // "HdrS"
constexpr uint16_t kOldestProtocol = 0x020c;   // The first with xloadflags.
constexpr uint64_t kEntry64Offset = 0x200;
// COMMAND_LINE_SIZE without the terminating NUL.
constexpr uint32_t kCommandLineMax = 2047;
constexpr uint32_t kInitrdAddressMax = 0x7fffffff;
// A linker writes a handful; more is no kernel.
constexpr uint16_t kMaxProgramHeaders = 64;

absl::Status NotAKernel(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      what, "; needed is an x86-64 Linux bzImage or its ELF vmlinux"));
}

template <typename T>
std::optional<T> ReadAt(std::span<const uint8_t> bytes, uint64_t offset) {
  if (!RangeFits(offset, sizeof(T), bytes.size())) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// Shared by both formats: the kernel lies above the legacy area, where the
// identity map of the entry state reaches.
absl::Status CheckPlacement(const KernelImage& image) {
  if (image.start < kHighMemoryStart || image.end > kDeviceHoleStart ||
      image.entry < image.start || image.entry >= image.end) {
    return NotAKernel(absl::StrFormat(
        "the kernel wants memory [%#x, %#x) and entry %#x, which is not "
        "between 1 MiB and 3 GiB",
        image.start, image.end, image.entry));
  }
  return absl::OkStatus();
}

absl::StatusOr<KernelImage> ParseBzImage(const setup_header& header,
                                         uint64_t file_size) {
  if (header.version < kOldestProtocol ||
      (header.xloadflags & XLF_KERNEL_64) == 0) {
    return NotAKernel(absl::StrFormat(
        "a bzImage of boot protocol %#x without a 64-bit entry (0x20c and "
        "newer have one)",
        uint16_t{header.version}));
  }
  const uint64_t setup_sectors =
      header.setup_sects == 0 ? 4 : header.setup_sects;
  const uint64_t payload = (setup_sectors + 1) * kSectorSize;
  if (payload >= file_size) {
    return NotAKernel(absl::StrFormat(
        "a bzImage cut short: %d bytes, its kernel begins at %d", file_size,
        payload));
  }
  const uint64_t payload_size = file_size - payload;
  KernelImage image;
  image.header = header;
  // The header says where it ends; what follows in the file is not of it.
  const size_t length = std::clamp<size_t>(
      kHeaderEndBase + (header.jump >> 8) - kSetupHeaderOffset,
      offsetof(setup_header, init_size) + sizeof(header.init_size),
      sizeof(header));
  std::memset(reinterpret_cast<uint8_t*>(&image.header) + length, 0,
              sizeof(header) - length);
  // Preferred by the kernel itself: no relocation to do.
  image.start = header.pref_address;
  const std::optional<uint64_t> end = CheckedAdd(
      image.start, std::max<uint64_t>(header.init_size, payload_size));
  if (!end) return NotAKernel("a bzImage whose load address wraps");
  image.end = *end;
  image.entry = image.start + kEntry64Offset;
  image.segments = {{payload, payload_size, image.start}};
  RETURN_IF_ERROR(CheckPlacement(image));
  return image;
}

// What a boot loader would have found in the bzImage's setup header
// (Documentation/arch/x86/boot.rst).
setup_header DefaultHeader() {
  setup_header header = {};
  header.boot_flag = kBootFlag;
  header.header = kHeaderMagic;
  header.version = 0x020f;
  header.loadflags = LOADED_HIGH;
  header.initrd_addr_max = kInitrdAddressMax;
  header.cmdline_size = kCommandLineMax;
  header.kernel_alignment = 2 * kMiB;
  return header;
}

absl::Status AddSegment(const Elf64_Phdr& program, uint64_t file_size,
                        KernelImage& image) {
  if (program.p_filesz > program.p_memsz ||
      !RangeFits(program.p_offset, program.p_filesz, file_size)) {
    return NotAKernel(absl::StrFormat(
        "an ELF file cut short: a segment is at [%#x, +%#x), the file has "
        "%#x bytes",
        program.p_offset, program.p_filesz, file_size));
  }
  const std::optional<uint64_t> end =
      CheckedAdd(program.p_paddr, program.p_memsz);
  if (!end) return NotAKernel("an ELF file whose segment wraps");
  // As a linker writes them; also means that none overlaps another.
  if (program.p_paddr < image.end) {
    return NotAKernel("an ELF file whose segments do not ascend");
  }
  if (image.segments.empty()) image.start = program.p_paddr;
  image.end = *end;
  image.segments.push_back(
      {program.p_offset, program.p_filesz, program.p_paddr});
  return absl::OkStatus();
}

absl::StatusOr<KernelImage> ParseElf(std::span<const uint8_t> head,
                                     uint64_t file_size) {
  const std::optional<Elf64_Ehdr> elf = ReadAt<Elf64_Ehdr>(head, 0);
  if (!elf || elf->e_ident[EI_CLASS] != ELFCLASS64 ||
      elf->e_ident[EI_DATA] != ELFDATA2LSB || elf->e_type != ET_EXEC ||
      elf->e_machine != EM_X86_64 || elf->e_phentsize != sizeof(Elf64_Phdr) ||
      elf->e_phnum == 0 || elf->e_phnum > kMaxProgramHeaders) {
    return NotAKernel("an ELF file, but no x86-64 executable");
  }
  KernelImage image;
  image.header = DefaultHeader();
  for (uint16_t i = 0; i < elf->e_phnum; ++i) {
    const std::optional<uint64_t> offset =
        CheckedAdd(elf->e_phoff, uint64_t{i} * sizeof(Elf64_Phdr));
    const std::optional<Elf64_Phdr> program =
        offset ? ReadAt<Elf64_Phdr>(head, *offset) : std::nullopt;
    if (!program) {
      return NotAKernel(absl::StrFormat(
          "an ELF file whose program headers are at %#x, not at its start",
          elf->e_phoff));
    }
    if (program->p_type != PT_LOAD || program->p_memsz == 0) continue;
    RETURN_IF_ERROR(AddSegment(*program, file_size, image));
  }
  image.entry = elf->e_entry;
  RETURN_IF_ERROR(CheckPlacement(image));
  return image;
}

}  // namespace

absl::StatusOr<KernelImage> ParseKernelImage(std::span<const uint8_t> head,
                                             uint64_t file_size) {
  if (head.size() >= SELFMAG &&
      std::memcmp(head.data(), ELFMAG, SELFMAG) == 0) {
    return ParseElf(head, file_size);
  }
  const std::optional<setup_header> header =
      ReadAt<setup_header>(head, kSetupHeaderOffset);
  if (header && header->boot_flag == kBootFlag &&
      header->header == kHeaderMagic) {
    return ParseBzImage(*header, file_size);
  }
  return NotAKernel("neither a bzImage nor an ELF file");
}

}  // namespace nacre::vmm::x86_64
