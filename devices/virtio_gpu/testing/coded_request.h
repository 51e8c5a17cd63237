#ifndef NACRE_DEVICES_VIRTIO_GPU_TESTING_CODED_REQUEST_H_
#define NACRE_DEVICES_VIRTIO_GPU_TESTING_CODED_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace nacre::virtio_gpu {

// A request as a fuzzer's input has it, compressed so that ids, sizes and
// places of different requests meet:
//
//   byte  type, of those in coded_request.cc
//   byte  fence: bit 0 there is one, of this id; bit 1 on the ring of the upper
//         bits (63: one too high); 2 in bits 0 and 1: to the other queue
//   byte  context
//   byte  layout: bits 0 and 1 its descriptors, 0 one, 1 cut behind the header,
//         2 cut every kPartBytes, 3 one and short; bit 2 room for any answer,
//         else for a header; above, how many groups of four words follow the
//         body
//   word  each of the body and of the groups
//   byte  how many bytes there are, where it is short
//
// A word is a byte: below 0x80 that number, below 0xc0 so many pages, below
// 0xf0 a piece of guest RAM; else four more bytes are the word.
struct CodedRequest {
  // Bytes below it are types, over and over.
  static constexpr uint8_t kEndOfTypes = 224;
  static constexpr size_t kPartBytes = 40;

  // Bytes that `reader` does not have are 0.
  static CodedRequest Read(uint8_t type, ByteReader& reader);
  static uint32_t ReadWord(ByteReader& reader);

  std::vector<std::vector<uint8_t>> parts;  // For a descriptor each.
  bool to_cursor_queue;
  uint32_t room;  // For the answer; 0: none.
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_TESTING_CODED_REQUEST_H_
