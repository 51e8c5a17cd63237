#include <cstddef>
#include <cstdint>
#include <span>

#include "base/checked.h"
#include "glog/logging.h"
#include "vmm/aarch64/kernel_image.h"
#include "vmm/aarch64/placement.h"

// Whatever a file holds, what is parsed out of it can be loaded: where it has
// a place, that is in RAM, apart from what lies beside it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using nacre::IsAligned;
  using nacre::RangeFits;
  using nacre::vmm::AddressRange;
  using nacre::vmm::GuestMemory;
  using nacre::vmm::aarch64::kKernelHeadSize;
  using nacre::vmm::aarch64::kPlacementAlignment;
  const auto image = nacre::vmm::aarch64::ParseKernelImage(
      std::span(data, size < kKernelHeadSize ? size : kKernelHeadSize), size);
  if (!image.ok()) return 0;
  CHECK_GE(image->memory_size, size);
  constexpr GuestMemory::RegionSpec kRam = {0x40000000, 0x40000000};
  const auto placement =
      nacre::vmm::aarch64::PlaceImages(*image, size, {&kRam, 1});
  if (!placement.ok()) return 0;
  CHECK(IsAligned(placement->kernel.address - image->text_offset,
                  kPlacementAlignment));
  CHECK(IsAligned(placement->device_tree.address, 8));
  uint64_t end = kRam.guest_address;
  for (const AddressRange& range :
       {placement->kernel, placement->device_tree, placement->initrd}) {
    CHECK_GE(range.address, end);
    CHECK(RangeFits(range.address - kRam.guest_address, range.size, kRam.size));
    end = range.address + range.size;
  }
  return 0;
}
