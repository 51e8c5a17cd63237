#ifndef NACRE_SIMULATOR_HANDLE_TABLE_H_
#define NACRE_SIMULATOR_HANDLE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "simulator/buffer.h"

namespace nacre::simulator {

// A file's GEM handles: small numbers for buffers, the smallest free one >= 1
// first. No buffer has two. No thread.
class HandleTable {
 public:
  // The handle that the buffer has already, or a new one.
  uint32_t Insert(std::shared_ptr<Buffer> buffer);
  // Null for a number that is no handle.
  std::shared_ptr<Buffer> Find(uint32_t handle) const;
  // The buffer whose handle this was; null for a number that is none.
  std::shared_ptr<Buffer> Remove(uint32_t handle);

 private:
  std::vector<std::shared_ptr<Buffer>> buffers_;  // Handle - 1 to buffer.
  std::set<uint32_t> free_;                       // Handles below the end.
  absl::flat_hash_map<const Buffer*, uint32_t> by_buffer_;
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_HANDLE_TABLE_H_
