#ifndef NACRE_DEVICES_VIRTIO_VIRTQUEUE_H_
#define NACRE_DEVICES_VIRTIO_VIRTQUEUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "devices/virtio/descriptor_chain.h"
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

// The most descriptors that one indirect table may have. The spec lets
// a driver go to the queue size (2.7.5.3.1) and a device set a limit (2.7.4.1),
// but Linux's virtqueue_add_split goes further: a 4 MiB command stream in
// vmalloc memory is 1024 descriptors on a queue of 256. What the cap stops: a
// guest that has us keep 64 KiB of ranges for every request it leaves
// pending.
inline constexpr uint32_t kMaxIndirectDescriptors = 4096;

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
  // As created: for making the same queue in another process.
  const QueueLayout& layout() const { return layout_; }
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
  void Complete(DescriptorChain chain) {
    AddUsed({&chain, 1});
    PublishUsed();
  }
  // The same in two steps, for several at once: the driver sees all that was
  // added by PublishUsed, and need not see it before. Leaves none in `chains`.
  void AddUsed(std::span<DescriptorChain> chains) {
    if (ABSL_PREDICT_FALSE(chains.size() > in_flight_)) DieCompletedTwice();
    for (DescriptorChain& chain : chains) {
      std::unique_ptr<Request> request = std::move(chain.request_);
      if (ABSL_PREDICT_FALSE(request == nullptr)) DieCompletedTwice();
      const UsedElement element{
          .id = request->head,
          .length = static_cast<uint32_t>(request->write.done)};
      const uint64_t slot = next_used_++ & (layout_.size - 1);
      used_ring_.Write(kRingEntriesOffset + slot * sizeof(UsedElement),
                       AsBytes(element));
      spare_requests_.Add(std::move(request));
    }
    in_flight_ -= static_cast<uint16_t>(chains.size());
    unsignalled_ += static_cast<uint32_t>(chains.size());
  }
  // Release: the entries and the answers are visible before the index that
  // covers them (2.7.8.2).
  void PublishUsed() {
    used_ring_.StoreRelease16(kRingIndexOffset, next_used_);
  }

  // Whether the driver asked to be interrupted for what was completed since
  // the last call (virtio 1.x, 2.7.7 and 2.7.10).
  bool NeedsInterrupt();

  // Ask the driver not to kick, or to kick again. EnableKicks returns whether
  // requests came in meanwhile, which the driver then will not kick for.
  void DisableKicks();
  bool EnableKicks();

 private:
  using Piece = vmm::GuestMemory::Piece;
  using Request = DescriptorChain::Request;

  // A list of requests for use.
  class SpareRequests {
   public:
    SpareRequests() = default;
    SpareRequests(SpareRequests&& other) noexcept
        : first_(std::exchange(other.first_, nullptr)) {}
    SpareRequests& operator=(SpareRequests&& other) noexcept {
      std::swap(first_, other.first_);
      return *this;
    }
    // One by one: not by recursion.
    ~SpareRequests() {
      while (first_ != nullptr) delete std::exchange(first_, first_->next);
    }

    std::unique_ptr<Request> Take() {
      if (ABSL_PREDICT_FALSE(first_ == nullptr)) {
        return std::make_unique<Request>();
      }
      return std::unique_ptr<Request>(std::exchange(first_, first_->next));
    }
    void Add(std::unique_ptr<Request> request) {
      // What held a larger chain is freed rather than kept for the next one, so
      // that a guest's rare large chains do not pin memory for good.
      if (ABSL_PREDICT_FALSE(request->pieces.size() > kMaxPieces)) return;
      request->next = first_;
      first_ = request.release();
    }

   private:
    static constexpr size_t kMaxPieces = 64;
    Request* first_ = nullptr;
  };

  Virtqueue(const vmm::GuestMemory* memory, const QueueLayout& layout);

  [[noreturn]] static void DieCompletedTwice();
  absl::Status FetchAvailableIndex();
  absl::Status Walk(Request& request);
  absl::Status CopyIndirectTable(const Descriptor& descriptor);
  absl::Status AddPieces(const Descriptor& descriptor, Request& request);

  const vmm::GuestMemory* memory_;
  QueueLayout layout_;
  // The queue's parts, each wholly in one.
  Piece descriptor_table_;
  Piece available_ring_;
  Piece used_ring_;
  // Positions in the endless sequences of available and used entries, modulo
  // 2^16 as the rings' own indexes are.
  uint16_t next_available_ = 0;   // The entry that Pop takes next.
  uint16_t known_available_ = 0;  // The driver's index as last fetched.
  uint16_t next_used_ = 0;        // The entry that Complete fills next.
  uint16_t in_flight_ = 0;
  // Completions since NeedsInterrupt last answered.
  uint32_t unsignalled_ = 0;
  // Scratch for Pop, and what completed chains leave for new ones.
  std::vector<Descriptor> indirect_table_;
  SpareRequests spare_requests_;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_VIRTQUEUE_H_
