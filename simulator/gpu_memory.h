#ifndef NACRE_SIMULATOR_GPU_MEMORY_H_
#define NACRE_SIMULATOR_GPU_MEMORY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "base/mapping.h"
#include "simulator/address_space.h"
#include "simulator/buffer.h"

namespace nacre::simulator {

// The GPU's loads and stores: through the address space of the submission that
// runs, into the memfds that guests have mapped too. That memory changes at any
// moment: each dword is loaded once, and a value is judged from the copy.
//
// Packets access dwords at dword-aligned addresses; the low address bits are
// ignored, as hardware does. Stores are 32-bit atomic with release order, so
// that whoever loads one with acquire order sees all earlier accesses. Engines
// read and write runs of bytes at any address, in no order among themselves:
// the dword that a fence or an event stores afterwards is what clients wait
// for. Where no buffer is, loads give 0 and stores do nothing; both are
// counted, and bytes next to a run that is written keep their values.
//
// GMEM, the GPU's memory for tiles, is for the engines alone, at addresses that
// no buffer can have (msm's gmem_base, which may be 0: to packets, a null
// pointer is a fault all the same).
//
// Buffers are mapped when first touched. At most kMaxMappings stay mapped: a
// mapping per buffer of a guest that has tens of thousands would use up the
// mappings that the kernel gives a process (vm.max_map_count, 65530).
//
// For the GPU thread alone.
class GpuMemory {
 public:
  static constexpr size_t kMaxMappings = 4096;

  explicit GpuMemory(size_t max_mappings = kMaxMappings)
      : max_mappings_(max_mappings) {}

  // The space for what follows; keeps it, and buffers touched, alive until
  // Detach.
  void Attach(std::shared_ptr<const AddressSpace> space);
  void Detach();

  // Gives the GPU `size` bytes of GMEM, zeroes, from `base`. Once, at first.
  // Errors: of mmap.
  absl::Status AddGmem(uint64_t base, uint64_t size);
  void ClearGmem();  // Zeroes again, as after a GPU reset.
  bool IsGmem(uint64_t iova) const { return iova - gmem_.start < gmem_.size; }
  uint64_t gmem_base() const { return gmem_.start; }
  uint64_t gmem_size() const { return gmem_.size; }  // 0: none.

  uint32_t Load32(uint64_t iova);
  uint64_t Load64(uint64_t iova);  // Low dword first.
  void Load(uint64_t iova, std::span<uint32_t> dwords);
  void Store32(uint64_t iova, uint32_t value);
  void Store64(uint64_t iova, uint64_t value);

  void Read(uint64_t iova, std::span<uint8_t> bytes);
  void Write(uint64_t iova, std::span<const uint8_t> bytes);

  struct Counters {
    uint64_t unmapped_loads = 0;   // Dwords, as all of these.
    uint64_t unmapped_stores = 0;  // To read-only buffers too.
    uint64_t stores = 0;
  };
  // Bytes that were moved between the GPU and buffers, ever.
  uint64_t traffic() const { return traffic_; }

  // Since the last call.
  Counters TakeCounters() { return std::exchange(counters_, {}); }

 private:
  // A buffer as seen from the address space; the whole of it is mapped.
  struct Entry {
    std::shared_ptr<Buffer> buffer;
    uint64_t start = 0;
    uint64_t size = 0;
    uint8_t* bytes = nullptr;
    bool writable = false;
  };
  static constexpr size_t kEntries = 16;

  // The entry that holds `iova`, or null.
  const Entry* Find(uint64_t iova);
  const Entry* FindSlow(uint64_t iova);
  bool EnsureMapped(const std::shared_ptr<Buffer>& buffer);
  void Forget();

  const size_t max_mappings_;
  std::shared_ptr<const AddressSpace> space_;
  uint64_t generation_ = 0;
  // Translations in use, the most recent ones; next_ is the oldest.
  std::array<Entry, kEntries> entries_;
  size_t last_ = 0;
  size_t next_ = 0;
  Mapping gmem_mapping_;
  Entry gmem_;
  // Buffers that were mapped, oldest first; some may be gone.
  std::deque<std::weak_ptr<Buffer>> mapped_;

  Counters counters_;
  uint64_t traffic_ = 0;
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_GPU_MEMORY_H_
