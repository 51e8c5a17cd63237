#include "devices/virtio/testing/fake_queue.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "glog/logging.h"

namespace nacre::virtio {

using ChainBuilder = FakeQueue::ChainBuilder;

ChainBuilder::ChainBuilder(FakeQueue* queue)
    : queue_(queue), indirect_(queue->layout_.indirect) {}

ChainBuilder& ChainBuilder::Readable(std::span<const uint8_t> bytes) {
  parts_.push_back({queue_->ram_->Store(bytes),
                    static_cast<uint32_t>(bytes.size()), false, true});
  return *this;
}

ChainBuilder& ChainBuilder::ReadableCut(std::span<const uint8_t> bytes,
                                        std::initializer_list<size_t> cuts) {
  size_t from = 0;
  for (size_t cut : cuts) {
    Readable(bytes.subspan(from, cut - from));
    from = cut;
  }
  return Readable(bytes.subspan(from));
}

ChainBuilder& ChainBuilder::Writable(uint32_t size) {
  parts_.push_back({queue_->ram_->Allocate(size), size, true, true});
  return *this;
}

ChainBuilder& ChainBuilder::Range(uint64_t address, uint32_t length,
                                  bool writable) {
  parts_.push_back({address, length, writable, false});
  return *this;
}

ChainBuilder& ChainBuilder::Indirect(bool indirect) {
  indirect_ = indirect;
  return *this;
}

uint16_t ChainBuilder::Submit() { return queue_->Submit(*this); }

FakeQueue::FakeQueue(GuestRam* ram, const Options& options) : ram_(ram) {
  layout_.size = options.size;
  layout_.event_index = options.event_index;
  layout_.indirect = options.indirect;
  layout_.descriptor_table = ram->Allocate(DescriptorTableSize(options.size));
  layout_.available_ring = ram->Allocate(AvailableRingSize(options.size));
  layout_.used_ring = ram->Allocate(UsedRingSize(options.size));
  ram->Write(layout_.descriptor_table,
             std::vector<uint8_t>(DescriptorTableSize(options.size)));
  ram->Write(layout_.available_ring,
             std::vector<uint8_t>(AvailableRingSize(options.size)));
  ram->Write(layout_.used_ring,
             std::vector<uint8_t>(UsedRingSize(options.size)));
  outstanding_.resize(options.size);
  for (uint16_t i = options.size; i > 0; --i) free_.push_back(i - 1);
}

uint16_t FakeQueue::TakeDescriptor() {
  CHECK(!free_.empty()) << "the test's queue is full";
  const uint16_t index = free_.back();
  free_.pop_back();
  return index;
}

uint16_t FakeQueue::Submit(ChainBuilder& builder) {
  CHECK(!builder.parts_.empty()) << "a chain has at least one descriptor";
  Outstanding chain;
  std::vector<Descriptor> descriptors;
  for (const ChainBuilder::Part& part : builder.parts_) {
    descriptors.push_back(
        {.address = part.address,
         .length = part.length,
         .flags = static_cast<uint16_t>(part.writable ? kDescriptorWrite : 0),
         .next = 0});
  }
  const bool indirect = builder.indirect_ && descriptors.size() > 1;
  if (!indirect) {
    while (chain.descriptors.size() < descriptors.size()) {
      chain.descriptors.push_back(TakeDescriptor());
    }
  }
  for (size_t i = 0; i + 1 < descriptors.size(); ++i) {
    descriptors[i].flags |= kDescriptorNext;
    descriptors[i].next =
        indirect ? static_cast<uint16_t>(i + 1) : chain.descriptors[i + 1];
  }
  if (indirect) {
    const std::span<const uint8_t> bytes(
        reinterpret_cast<const uint8_t*>(descriptors.data()),
        descriptors.size() * sizeof(Descriptor));
    chain.indirect_size = static_cast<uint32_t>(bytes.size());
    chain.indirect_table = ram_->Store(bytes);
    chain.descriptors.push_back(TakeDescriptor());
    descriptors.assign(1, {.address = chain.indirect_table,
                           .length = chain.indirect_size,
                           .flags = kDescriptorIndirect,
                           .next = 0});
  }
  for (size_t i = 0; i < descriptors.size(); ++i) {
    WriteDescriptor(chain.descriptors[i], descriptors[i]);
  }
  chain.parts = std::move(builder.parts_);
  const uint16_t head = chain.descriptors.front();
  outstanding_[head] = std::move(chain);
  SubmitHead(head);
  return head;
}

void FakeQueue::SubmitHead(uint16_t head) {
  WriteAvailableEntry(next_available_ & (layout_.size - 1), head);
  WriteAvailableIndex(static_cast<uint16_t>(next_available_ + 1));
}

bool FakeQueue::NeedsKick() {
  const uint16_t old = std::exchange(kicked_available_, next_available_);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!layout_.event_index) {
    return old != next_available_ && (ReadUsedFlags() & kUsedNoNotify) == 0;
  }
  return PassesEvent(ReadAvailableEvent(), next_available_, old);
}

std::optional<UsedChain> FakeQueue::PopUsed() {
  if (used_index() == next_used_) return std::nullopt;
  const auto element = ram_->ReadValue<UsedElement>(
      layout_.used_ring + kRingEntriesOffset +
      (next_used_ & (layout_.size - 1)) * sizeof(UsedElement));
  CHECK_LT(element.id, layout_.size) << "used element of no descriptor";
  std::optional<Outstanding>& out = outstanding_[element.id];
  CHECK(out.has_value()) << "used element of a chain that is not out";
  UsedChain used{.head = static_cast<uint16_t>(element.id),
                 .written = element.length,
                 .response = {}};
  uint64_t left = element.length;
  for (const ChainBuilder::Part& part : out->parts) {
    if (part.writable && left > 0) {
      const uint64_t size = std::min<uint64_t>(left, part.length);
      const std::vector<uint8_t> bytes = ram_->Read(part.address, size);
      used.response.insert(used.response.end(), bytes.begin(), bytes.end());
      left -= size;
    }
    if (part.owned) ram_->Free(part.address, part.length);
  }
  CHECK_EQ(left, 0u) << "device claims more bytes than it had room for";
  if (out->indirect_size != 0) {
    ram_->Free(out->indirect_table, out->indirect_size);
  }
  free_.insert(free_.end(), out->descriptors.rbegin(), out->descriptors.rend());
  out.reset();
  ++next_used_;
  if (interrupts_enabled_) EnableInterrupts();
  return used;
}

uint16_t FakeQueue::used_index() const {
  return *ram_->memory().LoadAcquire16(layout_.used_ring + kRingIndexOffset);
}

size_t FakeQueue::outstanding() const {
  return static_cast<size_t>(std::count_if(
      outstanding_.begin(), outstanding_.end(),
      [](const std::optional<Outstanding>& out) { return out.has_value(); }));
}

void FakeQueue::EnableInterrupts() {
  interrupts_enabled_ = true;
  if (layout_.event_index) {
    WriteUsedEvent(next_used_);
  } else {
    CHECK(ram_->memory()
              .StoreRelease16(layout_.available_ring + kRingFlagsOffset, 0)
              .ok());
  }
  // The caller looks at the used index again: see Virtqueue::NeedsInterrupt.
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void FakeQueue::DisableInterrupts() {
  interrupts_enabled_ = false;
  if (layout_.event_index) {
    WriteUsedEvent(static_cast<uint16_t>(next_used_ - 1));
  } else {
    CHECK(ram_->memory()
              .StoreRelease16(layout_.available_ring + kRingFlagsOffset,
                              kAvailableNoInterrupt)
              .ok());
  }
}

void FakeQueue::WriteDescriptor(uint16_t index, const Descriptor& descriptor) {
  ram_->WriteValue(layout_.descriptor_table + index * sizeof(Descriptor),
                   descriptor);
}

void FakeQueue::WriteAvailableEntry(uint16_t slot, uint16_t head) {
  CHECK(ram_->memory()
            .StoreRelease16(layout_.available_ring + kRingEntriesOffset +
                                slot * sizeof(uint16_t),
                            head)
            .ok());
}

void FakeQueue::WriteAvailableIndex(uint16_t index) {
  next_available_ = index;
  CHECK(ram_->memory()
            .StoreRelease16(layout_.available_ring + kRingIndexOffset, index)
            .ok());
}

void FakeQueue::WriteUsedEvent(uint16_t event) {
  CHECK(ram_->memory()
            .StoreRelease16(
                layout_.available_ring + UsedEventOffset(layout_.size), event)
            .ok());
}

uint16_t FakeQueue::ReadUsedFlags() const {
  return *ram_->memory().LoadAcquire16(layout_.used_ring + kRingFlagsOffset);
}

uint16_t FakeQueue::ReadAvailableEvent() const {
  return *ram_->memory().LoadAcquire16(layout_.used_ring +
                                       AvailableEventOffset(layout_.size));
}

}  // namespace nacre::virtio
