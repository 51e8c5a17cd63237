#include "vmm/aarch64/fdt_writer.h"

#include <libfdt.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace nacre::vmm::aarch64 {

FdtWriter::FdtWriter(size_t capacity) : tree_(capacity) {
  Check(fdt_create(tree_.data(), static_cast<int>(capacity)));
  if (error_ == 0) Check(fdt_finish_reservemap(tree_.data()));
  BeginNode("");
}

void FdtWriter::BeginNode(const std::string& name) {
  if (error_ == 0) Check(fdt_begin_node(tree_.data(), name.c_str()));
}

void FdtWriter::EndNode() {
  if (error_ == 0) Check(fdt_end_node(tree_.data()));
}

void FdtWriter::Flag(const char* name) { Bytes(name, {}); }

void FdtWriter::Cells(const char* name, std::span<const uint32_t> cells) {
  std::vector<fdt32_t> values;
  for (const uint32_t cell : cells) values.push_back(cpu_to_fdt32(cell));
  Bytes(name, {reinterpret_cast<const uint8_t*>(values.data()),
               values.size() * sizeof(fdt32_t)});
}

void FdtWriter::Wide(const char* name, std::initializer_list<uint64_t> values) {
  std::vector<uint32_t> cells;
  for (const uint64_t value : values) {
    cells.push_back(static_cast<uint32_t>(value >> 32));
    cells.push_back(static_cast<uint32_t>(value));
  }
  Cells(name, cells);
}

void FdtWriter::Strings(const char* name,
                        std::initializer_list<std::string> strings) {
  std::vector<uint8_t> bytes;
  for (const std::string& string : strings) {
    bytes.insert(bytes.end(), string.begin(), string.end());
    bytes.push_back(0);
  }
  Bytes(name, bytes);
}

void FdtWriter::Bytes(const char* name, std::span<const uint8_t> bytes) {
  if (error_ != 0) return;
  Check(fdt_property(tree_.data(), name, bytes.data(),
                     static_cast<int>(bytes.size())));
}

absl::StatusOr<std::vector<uint8_t>> FdtWriter::Finish() {
  EndNode();
  if (error_ == 0) Check(fdt_finish(tree_.data()));
  if (error_ == -FDT_ERR_NOSPACE) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "the device tree is larger than %d bytes", tree_.size()));
  }
  if (error_ != 0) {
    return absl::InternalError(
        absl::StrCat("writing the device tree: ", fdt_strerror(error_)));
  }
  tree_.resize(fdt_totalsize(tree_.data()));
  return std::move(tree_);
}

}  // namespace nacre::vmm::aarch64
