#include <cstddef>
#include <cstdint>
#include <span>

#include "base/checked.h"
#include "glog/logging.h"
#include "vmm/x86_64/kernel_image.h"

// Whatever a file holds, what is parsed out of it can be loaded: segments lie
// in the file and in the kernel's memory.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using nacre::RangeFits;
  using nacre::vmm::x86_64::KernelImage;
  using nacre::vmm::x86_64::kKernelHeadSize;
  const std::span<const uint8_t> file(data, size);
  const auto image = nacre::vmm::x86_64::ParseKernelImage(
      file.first(size < kKernelHeadSize ? size : kKernelHeadSize), size);
  if (!image.ok()) return 0;
  CHECK_LT(image->start, image->end);
  CHECK(image->entry >= image->start && image->entry < image->end);
  for (const KernelImage::Segment& segment : image->segments) {
    CHECK(RangeFits(segment.file_offset, segment.file_size, size));
    CHECK_GE(segment.address, image->start);
    CHECK(RangeFits(segment.address - image->start, segment.file_size,
                    image->end - image->start));
  }
  return 0;
}
