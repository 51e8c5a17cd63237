#ifndef NACRE_DEVICES_VIRTIO_VIRTQUEUE_H_
#define NACRE_DEVICES_VIRTIO_VIRTQUEUE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "devices/virtio/split_ring.h"
#include "vmm/guest_memory.h"

namespace nacre::virtio {

// Where the driver put a split virtqueue (virtio 1.x, 2.7), and how it wants
// to use it. Guest-controlled until Virtqueue::Create has accepted it.
struct QueueLayout {
  uint16_t size = 0;              // A power of two, at most 32768.
  uint64_t descriptor_table = 0;  // 16-byte aligned guest addresses.
  uint64_t available_ring = 0;    // 2-byte aligned.
  uint64_t used_ring = 0;         // 4-byte aligned.
  bool event_index = false;       // VIRTIO_F_EVENT_IDX was negotiated.
  bool indirect = false;          // VIRTIO_F_INDIRECT_DESC was negotiated.
};

// A piece of guest memory named by a descriptor; inside RAM when checked.
struct GuestRange {
  uint64_t address = 0;
  uint32_t length = 0;
};

// The most descriptors that one indirect table may have. The spec stops at the
// queue size (2.7.5.3.1), but Linux's virtqueue_add_split does not: a 4 MiB
// command stream in vmalloc memory is 1024 descriptors on a queue of 256. What
// the cap stops: a guest that has us keep half a MiB of ranges for every
// request it leaves pending.
inline constexpr uint32_t kMaxIndirectDescriptors = 4096;

// The most bytes that one chain may name, one less than the spec's 2^32 (2.7.5)
// so that the used length cannot overflow.
inline constexpr uint64_t kMaxChainBytes = 0xffffffff;

// One request of the driver: its readable bytes as one stream, then room for
// the answer as another (virtio 1.x, 2.6.4.2: no structure may depend on how
// they are cut into descriptors). Move-only. Read it first, then write, then
// give it back with Virtqueue::Complete; one that is dropped otherwise would
// leak a slot of the driver's ring, which is our bug: the destructor CHECKs.
class DescriptorChain {
 public:
  DescriptorChain(DescriptorChain&& other) noexcept;
  // The chain assigned to must have been completed or abandoned.
  DescriptorChain& operator=(DescriptorChain&& other) noexcept;
  ~DescriptorChain();

  // Both at most kMaxChainBytes.
  uint64_t readable_size() const { return readable_size_; }
  uint64_t writable_size() const { return writable_size_; }
  uint64_t bytes_read() const { return read_position_.total; }
  uint32_t bytes_written() const {
    return static_cast<uint32_t>(write_position_.total);
  }

  // Copies the next out.size() readable bytes. OutOfRange, and nothing
  // consumed, where fewer are left.
  absl::Status Read(std::span<uint8_t> out);
  // Appends to the answer. OutOfRange, and nothing written, where it does not
  // fit.
  absl::Status Write(std::span<const uint8_t> in);

  // Gives the chain up without an answer, for a queue that is being reset or
  // is broken.
  void Abandon() && { head_.reset(); }

 private:
  friend class Virtqueue;
  struct Position {
    size_t range = 0;
    uint32_t offset = 0;
    uint64_t total = 0;
  };

  DescriptorChain(const vmm::GuestMemory* memory, uint16_t head,
                  std::vector<GuestRange> storage);

  // Calls visit(address, done, size) for each piece of the next `size` bytes
  // from `position`, which the caller has checked to exist, and moves it on.
  template <typename Visit>
  absl::Status Advance(Position& position, uint64_t size, Visit visit);

  const vmm::GuestMemory* memory_;
  std::optional<uint16_t> head_;  // Empty when completed or moved from.
  // Readable ones first, then the writable ones; none is empty.
  std::vector<GuestRange> ranges_;
  uint64_t readable_size_ = 0;
  uint64_t writable_size_ = 0;
  Position read_position_;
  Position write_position_;
};

// The device's side of a split virtqueue. Pure logic over guest memory: no
// thread, no lock, no notification of its own; whoever shares it between
// threads locks around it. Trusts nothing in guest memory. Once warm it does
// not allocate, unless a chain has more than 64 descriptors.
//
// How to use it, once woken by a kick:
//   queue.DisableKicks();
//   do {
//     while (chain = queue.Pop()) { ... queue.Complete(chain) ... }
//   } while (queue.EnableKicks());   // true: more came meanwhile
//   if (queue.NeedsInterrupt()) notifier.NotifyUsedBuffers(index);
class Virtqueue {
 public:
  // Errors: InvalidArgument for a size, alignment or address that the spec
  // forbids or that is not wholly in RAM.
  static absl::StatusOr<Virtqueue> Create(const vmm::GuestMemory* memory,
                                          const QueueLayout& layout);

  Virtqueue(Virtqueue&&) = default;
  Virtqueue& operator=(Virtqueue&&) = default;

  uint16_t size() const { return layout_.size; }
  // Chains popped and not completed yet. Never more than size(), whatever the
  // driver does, so a device may hold on to all of them.
  uint16_t in_flight() const { return in_flight_; }

  // The next request; nullopt when there is none.
  // Errors mean that the ring itself is broken (an available index that jumped,
  // a head or next out of range, a loop, a descriptor outside RAM, a readable
  // one after a writable one, nested or misplaced indirection): the device sets
  // NEEDS_RESET and stops using the queue.
  absl::StatusOr<std::optional<DescriptorChain>> Pop();

  // Returns `chain` to the driver with as many bytes as were written to it.
  // Chains may be completed in any order. Makes it visible to the driver at
  // once; interrupting is the caller's, by NeedsInterrupt, once per batch.
  absl::Status Complete(DescriptorChain chain);

  // Whether the driver asked to be interrupted for what was completed since
  // the last call (virtio 1.x, 2.7.7 and 2.7.10).
  bool NeedsInterrupt();

  // Ask the driver not to kick, or to kick again. EnableKicks returns whether
  // requests came in meanwhile, which the driver then will not kick for.
  void DisableKicks();
  bool EnableKicks();

 private:
  // Where descriptors are read from: the queue's own table in guest memory, or
  // our copy of an indirect one.
  struct Table {
    uint32_t length = 0;
    const Descriptor* copy = nullptr;  // Null: in guest memory.
  };

  Virtqueue(const vmm::GuestMemory* memory, const QueueLayout& layout);

  absl::Status FetchAvailableIndex();
  absl::Status Walk(uint16_t head, DescriptorChain& chain);
  absl::StatusOr<Table> CopyIndirectTable(const Descriptor& descriptor);
  absl::Status AddRange(const Descriptor& descriptor, DescriptorChain& chain);

  const vmm::GuestMemory* memory_;
  QueueLayout layout_;
  // Positions in the endless sequences of available and used entries, modulo
  // 2^16 as the rings' own indexes are.
  uint16_t next_available_ = 0;   // The entry that Pop takes next.
  uint16_t known_available_ = 0;  // The driver's index as last fetched.
  uint16_t next_used_ = 0;        // The entry that Complete fills next.
  uint16_t in_flight_ = 0;
  // Completions since NeedsInterrupt last answered.
  uint32_t unsignalled_ = 0;
  // Scratch for Pop, and range storage of completed chains for new ones.
  std::vector<Descriptor> indirect_table_;
  std::vector<std::vector<GuestRange>> spare_storage_;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_VIRTQUEUE_H_
