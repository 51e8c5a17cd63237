#include "nacre/hostile_guest/guest/gpu.h"

#include "nacre/hostile_guest/guest/machine.h"

namespace nacre::hostile_guest {
namespace {

constexpr uint32_t kIdentity = 0x10501af4;  // virtio, gpu (4.1.2).
constexpr uint64_t kCommand = 0x04;
constexpr uint16_t kMemoryAndMaster = 0x6;
constexpr uint64_t kBar0 = 0x10;
constexpr uint64_t kBar2 = 0x18;
constexpr uint64_t kBar3 = 0x1c;
constexpr uint64_t kCapabilities = 0x34;
constexpr uint8_t kVendorCapability = 0x09;
constexpr uint8_t kMsixCapability = 0x11;
constexpr uint16_t kMsixEnable = 1 << 15;

constexpr uint8_t kAcknowledge = 1;
constexpr uint8_t kDriver = 2;
constexpr uint8_t kDriverOk = 4;
constexpr uint8_t kFeaturesOk = 8;
constexpr uint64_t kIndirect = uint64_t{1} << 28;
constexpr uint64_t kVersion1 = uint64_t{1} << 32;
constexpr uint64_t kFeatures =
    wire::kFeatureVirgl | wire::kFeatureResourceBlob |
    wire::kFeatureContextInit | kIndirect | kVersion1;

// Waits look at memory this often before they look at the device, and at the
// device this often before they give up: seconds, even where an exit takes a
// microsecond.
constexpr int kLooksAtMemory = 2000;
constexpr int kLooksAtDevice = 500000;

uint64_t Config(uint64_t offset) { return EcamOf(kDevice) + offset; }

}  // namespace

bool Gpu::Probe() {
  if (ReadConfigByPort(kDevice, 0) != kIdentity) return false;
  if (Load<uint32_t>(Config(0)) != kIdentity) return false;
  Store<uint16_t>(Config(kCommand), 0);
  Store<uint32_t>(Config(kBar2), ~0u);
  Store<uint32_t>(Config(kBar3), ~0u);
  window_size_ = 0 - (uint64_t{Load<uint32_t>(Config(kBar3))} << 32 |
                      (Load<uint32_t>(Config(kBar2)) & ~0xfu));
  registers_ = kFreePciMemory;
  window_ = kFreePciMemory + window_size_;
  Store<uint32_t>(Config(kBar0), static_cast<uint32_t>(registers_));
  Store<uint32_t>(Config(kBar2), static_cast<uint32_t>(window_));
  Store<uint32_t>(Config(kBar3), static_cast<uint32_t>(window_ >> 32));
  Store<uint16_t>(Config(kCommand), kMemoryAndMaster);
  return FindStructures();
}

bool Gpu::FindStructures() {
  common_ = notify_ = msix_table_ = 0;
  for (uint8_t at = Load<uint8_t>(Config(kCapabilities)); at != 0;
       at = Load<uint8_t>(Config(at + 1u))) {
    const uint8_t id = Load<uint8_t>(Config(at));
    if (id == kMsixCapability) {
      msix_capability_ = at;
      msix_table_ = registers_ + (Load<uint32_t>(Config(at + 4u)) & ~7u);
    }
    if (id != kVendorCapability) continue;
    const uint64_t offset = registers_ + Load<uint32_t>(Config(at + 8u));
    switch (Load<uint8_t>(Config(at + 3u))) {
      case 1:
        common_ = offset;
        break;
      case 2:
        notify_ = offset;
        notify_multiplier_ = Load<uint32_t>(Config(at + 16u));
        break;
      case 5:
        config_window_ = at;
        break;
    }
  }
  return common_ != 0 && notify_ != 0 && msix_table_ != 0 &&
         config_window_ != 0;
}

void Gpu::ProgramMsix() {
  for (uint64_t vector = 0; vector < 3; ++vector) {
    const uint64_t entry = msix_table_ + vector * 16;
    Store<uint32_t>(entry, kMessageAddress);
    Store<uint32_t>(entry + 4, 0);
    Store<uint32_t>(entry + 8, kMessageData);
    Store<uint32_t>(entry + 12, 0);
  }
  Store<uint16_t>(Config(msix_capability_ + 2u), kMsixEnable);
}

bool Gpu::Reset() {
  Store<uint8_t>(common_ + kDeviceStatus, 0);
  return Load<uint8_t>(common_ + kDeviceStatus) == 0;
}

bool Gpu::SetUpQueue(uint16_t index) {
  Rings& rings = rings_[index];
  for (uint64_t at = 0; at < Rings::kBytes; at += 8) {
    Store<uint64_t>(AddressOf(&rings) + at, 0);
  }
  available_[index] = 0;
  Store<uint16_t>(common_ + kQueueSelect, index);
  if (Load<uint16_t>(common_ + kQueueSize) < Rings::kSize) return false;
  Store<uint16_t>(common_ + kQueueSize, Rings::kSize);
  Store<uint64_t>(common_ + kQueueDesc, AddressOf(rings.descriptors));
  Store<uint64_t>(common_ + kQueueDriver, AddressOf(&rings.available));
  Store<uint64_t>(common_ + kQueueDevice, AddressOf(&rings.used));
  Store<uint16_t>(common_ + kQueueVector, static_cast<uint16_t>(1 + index));
  Store<uint16_t>(common_ + kQueueEnable, 1);
  return Load<uint16_t>(common_ + kQueueEnable) == 1;
}

bool Gpu::Start() {
  if (!Reset()) return false;
  ProgramMsix();
  const uint64_t status = common_ + kDeviceStatus;
  Store<uint8_t>(status, kAcknowledge);
  Store<uint8_t>(status, kAcknowledge | kDriver);
  for (uint32_t word = 0; word < 2; ++word) {
    Store<uint32_t>(common_ + kDriverFeatureSelect, word);
    Store<uint32_t>(common_ + kDriverFeature,
                    static_cast<uint32_t>(kFeatures >> (32 * word)));
  }
  Store<uint8_t>(status, kAcknowledge | kDriver | kFeaturesOk);
  if ((Load<uint8_t>(status) & kFeaturesOk) == 0) return false;
  if (!SetUpQueue(0) || !SetUpQueue(1)) return false;
  Store<uint16_t>(common_ + kConfigVector, 0);
  Store<uint8_t>(status, kAcknowledge | kDriver | kFeaturesOk | kDriverOk);
  return !broken();
}

uint64_t Gpu::Put(const void* request, size_t size) {
  __builtin_memcpy(request_, request, size);
  return AddressOf(request_);
}

void Gpu::Describe(uint16_t index, uint64_t address, uint32_t length,
                   uint16_t flags, uint16_t next, uint16_t queue) {
  // Field by field, as the device may be reading.
  const uint64_t at = AddressOf(&rings_[queue].descriptors[index]);
  Store<uint64_t>(at, address);
  Store<uint32_t>(at + 8, length);
  Store<uint16_t>(at + 12, flags);
  Store<uint16_t>(at + 14, next);
}

void Gpu::MakeAvailable(uint16_t head, uint16_t queue) {
  Rings& rings = rings_[queue];
  Store<uint16_t>(
      AddressOf(&rings.available.heads[available_[queue] % Rings::kSize]),
      head);
  Fence();
  Store<uint16_t>(AddressOf(&rings.available.index), ++available_[queue]);
  Fence();
}

void Gpu::Kick(uint16_t queue) {
  Store<uint16_t>(notify_ + uint64_t{queue} * notify_multiplier_, queue);
}

bool Gpu::broken() {
  return (Load<uint8_t>(common_ + kDeviceStatus) & kNeedsReset) != 0;
}

Ending Gpu::Wait(uint16_t queue) {
  const uint64_t used = AddressOf(&rings_[queue].used.index);
  for (int look = 0; look < kLooksAtDevice; ++look) {
    for (int i = 0; i < kLooksAtMemory; ++i) {
      if (Load<uint16_t>(used) == available_[queue]) return Ending::kAnswered;
      // Memory alone will not tell that the device broke.
      if (look > 0) break;
    }
    if (broken()) return Ending::kBroken;
  }
  return Ending::kTimedOut;
}

uint32_t Gpu::Call(const void* request, size_t size, uint32_t room) {
  Store<uint32_t>(AddressOf(answer_), 0);
  Describe(0, Put(request, size), static_cast<uint32_t>(size),
           virtio::kDescriptorNext, 1);
  Describe(1, AddressOf(answer_), room, virtio::kDescriptorWrite, 0);
  MakeAvailable(0);
  Kick();
  ending_ = Wait();
  return ending_ == Ending::kAnswered ? Load<uint32_t>(AddressOf(answer_)) : 0;
}

}  // namespace nacre::hostile_guest
