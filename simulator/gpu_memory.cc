#include "simulator/gpu_memory.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "glog/logging.h"

namespace nacre::simulator {
namespace {

constexpr int kMaxLoggedFaults = 10;

// Buffers are of whole pages, none smaller than this.
constexpr uint64_t kPage = 4096;

// How much of `size` bytes at `iova` is before the next page.
uint64_t UpToNextPage(uint64_t iova, uint64_t size) {
  return std::min(size, kPage - iova % kPage);
}

uint64_t Dwords(uint64_t bytes) { return (bytes + 3) / 4; }

uint32_t* DwordAt(uint8_t* bytes, uint64_t offset) {
  return reinterpret_cast<uint32_t*>(bytes + offset);
}

}  // namespace

void GpuMemory::Attach(std::shared_ptr<const AddressSpace> space) {
  space_ = std::move(space);
  generation_ = space_->generation();
}

void GpuMemory::Detach() {
  Forget();
  space_.reset();
}

absl::Status GpuMemory::AddGmem(uint64_t base, uint64_t size) {
  ASSIGN_OR_RETURN(gmem_mapping_, Mapping::Anonymous(size, kPage));
  gmem_ = {.buffer = nullptr,
           .start = base,
           .size = size,
           .bytes = gmem_mapping_.data(),
           .writable = true};
  return absl::OkStatus();
}

void GpuMemory::ClearGmem() {
  if (gmem_.size != 0) gmem_mapping_.Zero();
}

uint32_t GpuMemory::Load32(uint64_t iova) {
  uint32_t value = 0;
  Load(iova, {&value, 1});
  return value;
}

uint64_t GpuMemory::Load64(uint64_t iova) {
  std::array<uint32_t, 2> dwords;
  Load(iova, dwords);
  return dwords[0] | uint64_t{dwords[1]} << 32;
}

void GpuMemory::Load(uint64_t iova, std::span<uint32_t> dwords) {
  iova &= ~uint64_t{3};
  while (!dwords.empty()) {
    const Entry* entry = Find(iova);
    if (entry == nullptr) {
      ++counters_.unmapped_loads;
      LOG_FIRST_N(WARNING, kMaxLoggedFaults)
          << "simulated GPU: load from unmapped iova " << std::hex << iova;
      dwords[0] = 0;
      dwords = dwords.subspan(1);
      iova += 4;
      continue;
    }
    const uint64_t offset = iova - entry->start;
    const size_t count =
        std::min<uint64_t>(dwords.size(), (entry->size - offset) / 4);
    const uint32_t* source = DwordAt(entry->bytes, offset);
    for (size_t i = 0; i < count; ++i) {
      dwords[i] = __atomic_load_n(source + i, __ATOMIC_ACQUIRE);
    }
    traffic_ += 4 * count;
    dwords = dwords.subspan(count);
    iova += 4 * count;
  }
}

void GpuMemory::Store32(uint64_t iova, uint32_t value) {
  iova &= ~uint64_t{3};
  const Entry* entry = Find(iova);
  if (entry == nullptr || !entry->writable) {
    ++counters_.unmapped_stores;
    LOG_FIRST_N(WARNING, kMaxLoggedFaults)
        << "simulated GPU: store to "
        << (entry == nullptr ? "unmapped" : "read-only") << " iova " << std::hex
        << iova;
    return;
  }
  ++counters_.stores;
  traffic_ += 4;
  __atomic_store_n(DwordAt(entry->bytes, iova - entry->start), value,
                   __ATOMIC_RELEASE);
}

void GpuMemory::Store64(uint64_t iova, uint64_t value) {
  Store32(iova, static_cast<uint32_t>(value));
  Store32(iova + 4, static_cast<uint32_t>(value >> 32));
}

void GpuMemory::Read(uint64_t iova, std::span<uint8_t> bytes) {
  while (!bytes.empty()) {
    const Entry* entry = IsGmem(iova) ? &gmem_ : Find(iova);
    uint64_t count;
    if (entry == nullptr) {
      count = UpToNextPage(iova, bytes.size());
      counters_.unmapped_loads += Dwords(count);
      LOG_FIRST_N(WARNING, kMaxLoggedFaults)
          << "simulated GPU: read from unmapped iova " << std::hex << iova;
      std::memset(bytes.data(), 0, count);
    } else {
      const uint64_t offset = iova - entry->start;
      count = std::min<uint64_t>(bytes.size(), entry->size - offset);
      std::memcpy(bytes.data(), entry->bytes + offset, count);
      if (entry != &gmem_) traffic_ += count;
    }
    bytes = bytes.subspan(count);
    iova += count;
  }
}

void GpuMemory::Write(uint64_t iova, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const Entry* entry = IsGmem(iova) ? &gmem_ : Find(iova);
    uint64_t count;
    if (entry == nullptr || !entry->writable) {
      count = UpToNextPage(iova, bytes.size());
      counters_.unmapped_stores += Dwords(count);
      LOG_FIRST_N(WARNING, kMaxLoggedFaults)
          << "simulated GPU: write to "
          << (entry == nullptr ? "unmapped" : "read-only") << " iova "
          << std::hex << iova;
    } else {
      const uint64_t offset = iova - entry->start;
      count = std::min<uint64_t>(bytes.size(), entry->size - offset);
      counters_.stores += Dwords(count);
      std::memcpy(entry->bytes + offset, bytes.data(), count);
      if (entry != &gmem_) traffic_ += count;
    }
    bytes = bytes.subspan(count);
    iova += count;
  }
}

const GpuMemory::Entry* GpuMemory::Find(uint64_t iova) {
  if (space_->generation() != generation_) {
    Forget();
    generation_ = space_->generation();
  }
  const Entry& last = entries_[last_];
  if (iova - last.start < last.size) return &last;
  for (size_t i = 0; i < kEntries; ++i) {
    const Entry& entry = entries_[i];
    if (iova - entry.start < entry.size) {
      last_ = i;
      return &entry;
    }
  }
  return FindSlow(iova);
}

const GpuMemory::Entry* GpuMemory::FindSlow(uint64_t iova) {
  std::optional<AddressSpace::Translation> found = space_->Translate(iova);
  if (!found || !EnsureMapped(found->buffer)) return nullptr;
  Entry& entry = entries_[next_];
  last_ = next_;
  next_ = (next_ + 1) % kEntries;
  entry.start = found->start;
  entry.size = found->buffer->size();
  entry.bytes = found->buffer->gpu_mapping().data();
  entry.writable = (found->buffer->flags() & msm::MSM_BO_GPU_READONLY) == 0;
  entry.buffer = std::move(found->buffer);
  return &entry;
}

bool GpuMemory::EnsureMapped(const std::shared_ptr<Buffer>& buffer) {
  if (buffer->gpu_mapping().valid()) return true;
  while (mapped_.size() >= max_mappings_) {
    // An entry may point into the mapping that goes.
    Forget();
    if (const std::shared_ptr<Buffer> oldest = mapped_.front().lock()) {
      oldest->gpu_mapping() = Mapping();
    }
    mapped_.pop_front();
  }
  absl::StatusOr<Mapping> mapping =
      Mapping::Shared(buffer->fd(), 0, buffer->size());
  if (!mapping.ok()) {
    LOG_FIRST_N(ERROR, kMaxLoggedFaults)
        << "simulated GPU: cannot map a buffer: " << mapping.status();
    return false;
  }
  buffer->gpu_mapping() = *std::move(mapping);
  mapped_.push_back(buffer);
  return true;
}

void GpuMemory::Forget() {
  for (Entry& entry : entries_) entry = Entry();
}

}  // namespace nacre::simulator
