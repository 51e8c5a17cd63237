#include "vmm/x86_64/testing/elf_image.h"

#include <elf.h>

#include <cstring>

namespace nacre::vmm::x86_64 {

std::vector<uint8_t> MakeElf(uint64_t entry,
                             const std::vector<ElfSegment>& segments) {
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_entry = entry;
  header.e_phoff = sizeof(header);
  header.e_ehsize = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<uint16_t>(segments.size());

  std::vector<uint8_t> image(sizeof(header) +
                             segments.size() * sizeof(Elf64_Phdr));
  std::memcpy(image.data(), &header, sizeof(header));
  for (size_t i = 0; i < segments.size(); ++i) {
    Elf64_Phdr program = {};
    program.p_type = PT_LOAD;
    program.p_offset = image.size();
    program.p_paddr = segments[i].address;
    program.p_filesz = segments[i].bytes.size();
    program.p_memsz = segments[i].memory_size;
    std::memcpy(image.data() + sizeof(header) + i * sizeof(program), &program,
                sizeof(program));
    image.insert(image.end(), segments[i].bytes.begin(),
                 segments[i].bytes.end());
  }
  return image;
}

}  // namespace nacre::vmm::x86_64
