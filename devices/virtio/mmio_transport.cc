#include "devices/virtio/mmio_transport.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio {
namespace {

using Register = CommonConfig::Register;

// 4.2.2, table 4.1. Those that every transport has are in kCommonRegisters.
constexpr uint64_t kMagicValue = 0x000;
constexpr uint64_t kVersion = 0x004;
constexpr uint64_t kDeviceId = 0x008;
constexpr uint64_t kVendorId = 0x00c;
constexpr uint64_t kQueueNotify = 0x050;
constexpr uint64_t kInterruptStatus = 0x060;
constexpr uint64_t kInterruptAck = 0x064;
constexpr uint64_t kStatus = 0x070;
constexpr uint64_t kShmSel = 0x0ac;
constexpr uint64_t kShmLenLow = 0x0b0;
constexpr uint64_t kShmLenHigh = 0x0b4;
constexpr uint64_t kShmBaseLow = 0x0b8;
constexpr uint64_t kShmBaseHigh = 0x0bc;
constexpr uint64_t kConfig = 0x100;

struct CommonRegister {
  uint64_t offset;
  Register reg;
  bool readable;
  bool writable;
};
constexpr CommonRegister kCommonRegisters[] = {
    {0x010, Register::kDeviceFeature, true, false},
    {0x014, Register::kDeviceFeatureSelect, false, true},
    {0x020, Register::kDriverFeature, false, true},
    {0x024, Register::kDriverFeatureSelect, false, true},
    {0x030, Register::kQueueSelect, false, true},
    {0x034, Register::kQueueMaxSize, true, false},
    {0x038, Register::kQueueSize, false, true},
    {0x044, Register::kQueueEnable, true, true},
    {kStatus, Register::kDeviceStatus, true, true},
    {0x080, Register::kQueueDescLow, false, true},
    {0x084, Register::kQueueDescHigh, false, true},
    {0x090, Register::kQueueDriverLow, false, true},
    {0x094, Register::kQueueDriverHigh, false, true},
    {0x0a0, Register::kQueueDeviceLow, false, true},
    {0x0a4, Register::kQueueDeviceHigh, false, true},
    {0x0fc, Register::kConfigGeneration, true, false},
};

constexpr uint32_t kMagic = 0x74726976;  // "virt"
constexpr uint32_t kVendor = 0x1af4;
constexpr uint8_t kInterruptQueue = 1;
constexpr uint8_t kInterruptConfig = 2;

const CommonRegister* FindCommon(uint64_t offset) {
  const CommonRegister* found = std::find_if(
      std::begin(kCommonRegisters), std::end(kCommonRegisters),
      [offset](const CommonRegister& r) { return r.offset == offset; });
  return found != std::end(kCommonRegisters) ? found : nullptr;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MmioTransport>> MmioTransport::Create(
    VirtioDevice* device, std::span<const uint64_t> shared_memory,
    const Services& services) {
  const std::vector<SharedMemoryRegion> regions =
      device->shared_memory_regions();
  if (regions.size() != shared_memory.size()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%d addresses for the %d shared memory regions of a virtio device",
        shared_memory.size(), regions.size()));
  }
  std::unique_ptr<MmioTransport> transport(new MmioTransport(device, services));
  for (size_t i = 0; i < regions.size(); ++i) {
    RETURN_IF_ERROR(
        services.memory_windows->AddWindow(shared_memory[i], regions[i].host));
    transport->regions_.push_back(
        {regions[i].id, shared_memory[i], regions[i].host.size()});
  }
  ASSIGN_OR_RETURN(
      transport->common_,
      CommonConfig::Create(device, services.memory, transport.get()));
  return transport;
}

MmioTransport::~MmioTransport() {
  common_.reset();
  for (const Region& region : regions_) {
    const absl::Status status =
        services_.memory_windows->RemoveWindow(region.address);
    LOG_IF(ERROR, !status.ok()) << status;
  }
}

void MmioTransport::Reset() {
  MutexLock lock(mutex_);
  ResetLocked();
}

void MmioTransport::ResetLocked() {
  common_->Reset();
  region_select_ = 0;
  interrupt_status_ = 0;
}

void MmioTransport::Read(uint64_t offset, std::span<uint8_t> data) {
  MutexLock lock(mutex_);
  if (offset >= kConfig) return device_->ReadConfig(offset - kConfig, data);
  std::fill(data.begin(), data.end(), uint8_t{0});
  // 4.2.2.2: 32 bits wide and aligned.
  if (data.size() != sizeof(uint32_t)) return;
  const uint32_t value = ReadRegister(offset);
  std::memcpy(data.data(), &value, sizeof(value));
}

void MmioTransport::Write(uint64_t offset, std::span<const uint8_t> data) {
  MutexLock lock(mutex_);
  if (offset >= kConfig) return device_->WriteConfig(offset - kConfig, data);
  if (data.size() != sizeof(uint32_t)) return;
  uint32_t value = 0;
  std::memcpy(&value, data.data(), sizeof(value));
  WriteRegister(offset, value);
}

uint32_t MmioTransport::ReadRegister(uint64_t offset) {
  switch (offset) {
    case kMagicValue:
      return kMagic;
    case kVersion:
      return 2;
    case kDeviceId:
      return device_->device_id();
    case kVendorId:
      return kVendor;
    case kInterruptStatus:
      return interrupt_status_;
    case kShmLenLow:
      return SharedMemoryHalf(&Region::size, 0);
    case kShmLenHigh:
      return SharedMemoryHalf(&Region::size, 1);
    case kShmBaseLow:
      return SharedMemoryHalf(&Region::address, 0);
    case kShmBaseHigh:
      return SharedMemoryHalf(&Region::address, 1);
    default:
      break;
  }
  const CommonRegister* common = FindCommon(offset);
  return common != nullptr && common->readable ? common_->Read(common->reg) : 0;
}

void MmioTransport::WriteRegister(uint64_t offset, uint32_t value) {
  switch (offset) {
    case kQueueNotify:
      if (value < common_->num_queues()) {
        common_->Kick(static_cast<uint16_t>(value));
      }
      return;
    case kInterruptAck:
      interrupt_status_ &= static_cast<uint8_t>(~value);
      return;
    case kShmSel:
      region_select_ = value;
      return;
    case kStatus:
      if (value == 0) return ResetLocked();
      break;
    default:
      break;
  }
  if (const CommonRegister* common = FindCommon(offset);
      common != nullptr && common->writable) {
    common_->Write(common->reg, value);
  }
}

uint32_t MmioTransport::SharedMemoryHalf(uint64_t Region::*field, int half) {
  for (const Region& region : regions_) {
    if (region.id == region_select_) {
      return static_cast<uint32_t>(region.*field >> (32 * half));
    }
  }
  return ~uint32_t{0};
}

void MmioTransport::InterruptForQueue(uint16_t /*index*/) {
  Interrupt(kInterruptQueue);
}

void MmioTransport::InterruptForConfig() { Interrupt(kInterruptConfig); }

void MmioTransport::Interrupt(uint8_t bit) {
  // An edge each time: a driver acknowledges first and looks at its queues
  // then, so that what comes in between is seen either way.
  interrupt_status_ |= bit;
  services_.irq->Trigger();
}

}  // namespace nacre::virtio
