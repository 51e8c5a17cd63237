#ifndef NACRE_VMM_AARCH64_FDT_WRITER_H_
#define NACRE_VMM_AARCH64_FDT_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace nacre::vmm::aarch64 {

// Writes a flattened device tree (Devicetree Specification 0.4) from its root
// to its end, with libfdt. Its first error ends the writing; Finish tells.
class FdtWriter {
 public:
  // `capacity` bounds the finished tree, in bytes. Begins the root node.
  explicit FdtWriter(size_t capacity);

  void BeginNode(const std::string& name);
  void EndNode();

  // Properties of the node begun last, before its children.
  void Flag(const char* name);
  void Cells(const char* name, std::span<const uint32_t> cells);
  void Cells(const char* name, std::initializer_list<uint32_t> cells) {
    Cells(name, std::span(cells.begin(), cells.size()));
  }
  void Wide(const char* name, std::initializer_list<uint64_t> values);
  void Strings(const char* name, std::initializer_list<std::string> strings);
  void Bytes(const char* name, std::span<const uint8_t> bytes);

  // Ends the root node. Errors: ResourceExhausted where the tree is larger than
  // its capacity; Internal, with libfdt's words. Once.
  absl::StatusOr<std::vector<uint8_t>> Finish();

 private:
  // Keeps the first error of libfdt's.
  void Check(int result) {
    if (error_ == 0) error_ = result;
  }

  std::vector<uint8_t> tree_;
  int error_ = 0;
};

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_FDT_WRITER_H_
