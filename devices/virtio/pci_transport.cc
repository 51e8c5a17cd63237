#include "devices/virtio/pci_transport.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/status_macros.h"
#include "devices/virtio/pci_notify_bar.h"

namespace nacre::virtio {
namespace {

using Register = CommonConfig::Register;

constexpr uint16_t kVirtioVendor = 0x1af4;
constexpr uint16_t kModernDeviceBase = 0x1040;

// BAR 0. Each part has a page.
constexpr int kRegisterBar = 0;
constexpr uint64_t kPart = 0x1000;
constexpr uint64_t kCommon = 0x0000;
constexpr uint64_t kIsr = 0x1000;
constexpr uint64_t kDeviceConfig = 0x2000;
constexpr uint64_t kNotify = 0x3000;
constexpr uint64_t kMsixTable = 0x4000;
constexpr uint64_t kMsixPending = 0x5000;
constexpr uint64_t kRegisterBarSize = 0x8000;
static_assert((PciTransport::kMaxQueues + 1) * vmm::Msix::kEntrySize <= kPart);

constexpr uint32_t kNotifyMultiplier = 4;
static_assert(PciTransport::kMaxQueues * kNotifyMultiplier <= kPart);

constexpr int kFirstSharedMemoryBar = 2;
constexpr size_t kMaxSharedMemoryRegions = 2;

// Capability ids (PCI 3.0, appendix H) and virtio_pci_cap.cfg_type (4.1.4).
constexpr uint8_t kPowerManagement = 0x01;
constexpr uint8_t kVendorSpecific = 0x09;
constexpr uint8_t kTypeCommon = 1;
constexpr uint8_t kTypeNotify = 2;
constexpr uint8_t kTypeIsr = 3;
constexpr uint8_t kTypeDevice = 4;
constexpr uint8_t kTypePciCfg = 5;
constexpr uint8_t kTypeSharedMemory = 8;

constexpr uint8_t kIsrQueue = 1;
constexpr uint8_t kIsrConfig = 2;

// struct virtio_pci_cap after id and next; the trailing fields are those of
// the longer forms.
struct CapabilityBody {
  uint8_t cap_len = 16;
  uint8_t cfg_type = 0;
  uint8_t bar = kRegisterBar;
  uint8_t id = 0;
  uint8_t padding[2] = {};
  uint32_t offset = 0;
  uint32_t length = 0;
  uint32_t extra[2] = {};
} __attribute__((packed));
static_assert(sizeof(CapabilityBody) == 22);

constexpr uint16_t kCapabilityBar = 4;
constexpr uint16_t kCapabilityOffset = 8;
constexpr uint16_t kCapabilityLength = 12;
constexpr uint16_t kCapabilityData = 16;

// `cap_len` counts the id and next bytes, which a body does not have.
std::span<const uint8_t> BodyBytes(const CapabilityBody& body,
                                   uint8_t cap_len) {
  return AsBytes(body).first(cap_len - 2);
}

// struct virtio_pci_common_cfg (4.1.4.3), up to what features that we do not
// offer would add. Those without a Register are the transport's own.
struct CommonField {
  uint8_t offset;
  uint8_t size;
  std::optional<Register> reg;
};
constexpr uint64_t kConfigVectorField = 16;
constexpr uint64_t kQueueVectorField = 26;
constexpr uint64_t kNotifyOffField = 30;
constexpr CommonField kCommonFields[] = {
    {0, 4, Register::kDeviceFeatureSelect},
    {4, 4, Register::kDeviceFeature},
    {8, 4, Register::kDriverFeatureSelect},
    {12, 4, Register::kDriverFeature},
    {kConfigVectorField, 2, std::nullopt},
    {18, 2, Register::kNumQueues},
    {20, 1, Register::kDeviceStatus},
    {21, 1, Register::kConfigGeneration},
    {22, 2, Register::kQueueSelect},
    {24, 2, Register::kQueueSize},
    {kQueueVectorField, 2, std::nullopt},
    {28, 2, Register::kQueueEnable},
    {kNotifyOffField, 2, std::nullopt},
    {32, 4, Register::kQueueDescLow},
    {36, 4, Register::kQueueDescHigh},
    {40, 4, Register::kQueueDriverLow},
    {44, 4, Register::kQueueDriverHigh},
    {48, 4, Register::kQueueDeviceLow},
    {52, 4, Register::kQueueDeviceHigh},
};
constexpr uint64_t kCommonSize = 56;

bool Overlaps(uint64_t offset, size_t size, uint64_t at, uint64_t length) {
  return RangesOverlap(offset, size, at, length);
}

}  // namespace

absl::StatusOr<std::unique_ptr<PciTransport>> PciTransport::Create(
    VirtioDevice* device, vmm::PciAddress address, uint16_t device_class,
    const Services& services) {
  const size_t queues = device->max_queue_sizes().size();
  if (queues > kMaxQueues) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "virtio device with %d queues: at most %d", queues, kMaxQueues));
  }
  const std::vector<SharedMemoryRegion> regions =
      device->shared_memory_regions();
  if (regions.size() > kMaxSharedMemoryRegions) {
    return absl::InvalidArgumentError(
        absl::StrFormat("virtio device with %d shared memory regions: at most "
                        "%d",
                        regions.size(), kMaxSharedMemoryRegions));
  }
  ASSIGN_OR_RETURN(
      std::unique_ptr<vmm::Msix> msix,
      vmm::Msix::Create(services.msi_controller, address.requester_id(),
                        static_cast<uint16_t>(queues + 1)));
  std::unique_ptr<PciTransport> transport(
      new PciTransport(device, device_class, std::move(msix)));
  ASSIGN_OR_RETURN(
      transport->common_,
      CommonConfig::Create(device, services.memory, transport.get()));
  transport->AddCapabilities();
  transport->AddRegisterBar(services);
  transport->AddSharedMemory(regions, services);
  return transport;
}

PciTransport::PciTransport(VirtioDevice* device, uint16_t device_class,
                           std::unique_ptr<vmm::Msix> msix)
    : PciDevice({.vendor_id = kVirtioVendor,
                 .device_id = static_cast<uint16_t>(kModernDeviceBase +
                                                    device->device_id()),
                 // 4.1.2: not a transitional device.
                 .revision = 1,
                 .device_class = device_class,
                 .subsystem_vendor_id = kVirtioVendor,
                 .subsystem_id = static_cast<uint16_t>(kModernDeviceBase +
                                                       device->device_id())}),
      device_(device),
      msix_(std::move(msix)),
      queue_vectors_(device->max_queue_sizes().size()) {
  ForgetVectors();
}

PciTransport::~PciTransport() {
  UnmapBars();
  // While there is still somebody for the device to notify.
  common_.reset();
}

void PciTransport::AddCapabilities() {
  const auto add = [this](uint8_t type, uint64_t offset, uint64_t length) {
    CapabilityBody body{.cfg_type = type};
    body.offset = static_cast<uint32_t>(offset);
    body.length = static_cast<uint32_t>(length);
    config().AddCapability(kVendorSpecific, BodyBytes(body, body.cap_len));
  };
  add(kTypeCommon, kCommon, kCommonSize);
  add(kTypeIsr, kIsr, 1);
  add(kTypeDevice, kDeviceConfig, kPart);

  CapabilityBody notify{.cap_len = 20, .cfg_type = kTypeNotify};
  notify.offset = kNotify;
  notify.length = common_->num_queues() * kNotifyMultiplier;
  notify.extra[0] = kNotifyMultiplier;
  config().AddCapability(kVendorSpecific, BodyBytes(notify, notify.cap_len));

  // A way in for software that cannot map BARs (4.1.4.9); its fields are the
  // driver's, up to and including the data.
  CapabilityBody window{.cap_len = 20, .cfg_type = kTypePciCfg};
  CapabilityBody writable{.cap_len = 0, .bar = 0xff};
  writable.offset = writable.length = writable.extra[0] = ~uint32_t{0};
  window_capability_ =
      config().AddCapability(kVendorSpecific, BodyBytes(window, window.cap_len),
                             BodyBytes(writable, window.cap_len));

  msix_capability_ =
      msix_->AddCapability(config(), kRegisterBar, kMsixTable, kMsixPending);

  // No_Soft_Reset: Linux from 6.12 on then leaves the device alone over a
  // suspend, which virtio-gpu drivers do not survive otherwise. Power states
  // are kept and mean nothing.
  constexpr uint8_t kBody[] = {0x03, 0x00, 0x08, 0x00, 0x00, 0x00};
  constexpr uint8_t kWritable[] = {0x00, 0x00, 0x03, 0x00, 0x00, 0x00};
  config().AddCapability(kPowerManagement, kBody, kWritable);
}

void PciTransport::AddRegisterBar(const Services& services) {
  std::vector<PciNotifyBar::Kick> kicks;
  for (uint16_t i = 0; i < common_->num_queues(); ++i) {
    kicks.push_back({kNotify + i * kNotifyMultiplier, &common_->kick(i)});
  }
  vmm::IoDevice* const registers = this;
  AddBar(kRegisterBar, vmm::BarType::kMemory32, kRegisterBarSize,
         std::make_unique<PciNotifyBar>(services.mmio_bus, kRegisterBarSize,
                                        registers, services.kick_binder,
                                        std::move(kicks)));
}

void PciTransport::AddSharedMemory(
    const std::vector<SharedMemoryRegion>& regions, const Services& services) {
  int bar = kFirstSharedMemoryBar;
  for (const SharedMemoryRegion& region : regions) {
    AddBar(
        bar, vmm::BarType::kMemory64Prefetchable, region.host.size(),
        std::make_unique<vmm::MemoryBar>(services.memory_windows, region.host));
    CapabilityBody body{.cap_len = 24,
                        .cfg_type = kTypeSharedMemory,
                        .bar = static_cast<uint8_t>(bar),
                        .id = region.id};
    const uint64_t size = region.host.size();
    body.length = static_cast<uint32_t>(size);
    body.extra[1] = static_cast<uint32_t>(size >> 32);
    config().AddCapability(kVendorSpecific, BodyBytes(body, body.cap_len));
    bar += 2;
  }
}

void PciTransport::Read(uint64_t offset, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), uint8_t{0});
  const uint64_t at = offset % kPart;
  switch (offset - at) {
    case kCommon: {
      MutexLock lock(mutex_);
      return ReadCommon(at, data);
    }
    case kIsr:
      // 4.1.4.5.1: reading clears.
      if (at == 0) data[0] = isr_.exchange(0);
      return;
    case kDeviceConfig: {
      MutexLock lock(mutex_);
      return device_->ReadConfig(at, data);
    }
    case kMsixTable:
      return msix_->ReadTable(at, data);
    case kMsixPending:
      return msix_->ReadPending(at, data);
    default:
      return;
  }
}

void PciTransport::Write(uint64_t offset, std::span<const uint8_t> data) {
  const uint64_t at = offset % kPart;
  switch (offset - at) {
    case kCommon: {
      MutexLock lock(mutex_);
      // 4.1.3.1: 64-bit fields are two of 32 bits.
      if (data.size() == 8) {
        WriteCommon(at, data.first(4));
        return WriteCommon(at + 4, data.last(4));
      }
      return WriteCommon(at, data);
    }
    case kDeviceConfig: {
      MutexLock lock(mutex_);
      return device_->WriteConfig(at, data);
    }
    case kNotify:
      // The address says which queue as well as the value does.
      if (at % kNotifyMultiplier == 0) {
        common_->Kick(static_cast<uint16_t>(at / kNotifyMultiplier));
      }
      return;
    case kMsixTable:
      return msix_->WriteTable(at, data);
    default:
      return;
  }
}

void PciTransport::ReadCommon(uint64_t offset, std::span<uint8_t> data) {
  for (const CommonField& field : kCommonFields) {
    if (!Overlaps(offset, data.size(), field.offset, field.size)) continue;
    const uint32_t value = field.reg.has_value()
                               ? common_->Read(*field.reg)
                               : ReadCommonField(field.offset);
    for (uint64_t i = 0; i < field.size; ++i) {
      const uint64_t byte = field.offset + i;
      if (byte >= offset && byte - offset < data.size()) {
        data[byte - offset] = static_cast<uint8_t>(value >> (8 * i));
      }
    }
  }
}

uint32_t PciTransport::ReadCommonField(uint64_t offset) {
  switch (offset) {
    case kConfigVectorField:
      return config_vector_;
    case kQueueVectorField: {
      const std::atomic<uint16_t>* vector = SelectedVector();
      return vector != nullptr ? vector->load() : kNoVector;
    }
    case kNotifyOffField:
      return SelectedVector() != nullptr ? common_->selected_queue() : 0;
    default:
      return 0;
  }
}

void PciTransport::WriteCommon(uint64_t offset, std::span<const uint8_t> data) {
  // 4.1.3.1: a field is written whole, by its own width.
  const CommonField* field =
      std::find_if(std::begin(kCommonFields), std::end(kCommonFields),
                   [&](const CommonField& f) {
                     return f.offset == offset && f.size == data.size();
                   });
  if (field == std::end(kCommonFields)) return;
  uint32_t value = 0;
  std::memcpy(&value, data.data(), data.size());
  if (field->offset == kConfigVectorField) {
    StoreVector(&config_vector_, static_cast<uint16_t>(value));
  } else if (field->offset == kQueueVectorField) {
    StoreVector(SelectedVector(), static_cast<uint16_t>(value));
  } else if (field->reg == Register::kDeviceStatus && value == 0) {
    common_->Reset();
    ForgetVectors();
  } else if (field->reg.has_value()) {
    common_->Write(*field->reg, value);
  }
}

std::atomic<uint16_t>* PciTransport::SelectedVector() {
  const uint16_t queue = common_->selected_queue();
  return queue < queue_vectors_.size() ? &queue_vectors_[queue] : nullptr;
}

void PciTransport::StoreVector(std::atomic<uint16_t>* vector, uint16_t value) {
  if (vector == nullptr) return;
  // 4.1.5.1.2.1: one that cannot be had reads back as none.
  *vector = value < msix_->vectors() ? value : kNoVector;
}

void PciTransport::ForgetVectors() {
  config_vector_ = kNoVector;
  for (std::atomic<uint16_t>& vector : queue_vectors_) vector = kNoVector;
  isr_ = 0;
}

std::optional<std::pair<uint32_t, uint32_t>> PciTransport::WindowTarget(
    uint16_t offset, size_t size) const {
  if (!Overlaps(offset, size, window_capability_ + kCapabilityData, 4)) {
    return std::nullopt;
  }
  const auto at =
      config().Get<uint32_t>(window_capability_ + kCapabilityOffset);
  const auto length =
      config().Get<uint32_t>(window_capability_ + kCapabilityLength);
  // 4.1.4.9.1: what the driver must keep to; else it gets nothing.
  if (config().Get<uint8_t>(window_capability_ + kCapabilityBar) !=
          kRegisterBar ||
      (length != 1 && length != 2 && length != 4) || !IsAligned(at, length) ||
      !RangeFits(at, length, kRegisterBarSize)) {
    return std::nullopt;
  }
  return std::pair(at, length);
}

void PciTransport::WillReadConfig(uint16_t offset, size_t size) {
  if (const auto target = WindowTarget(offset, size)) {
    uint32_t value = 0;
    Read(target->first, AsWritableBytes(value).first(target->second));
    config().Set<uint32_t>(window_capability_ + kCapabilityData, value);
  }
}

void PciTransport::DidWriteConfig(uint16_t offset, size_t size) {
  const uint16_t control = msix_capability_ + vmm::Msix::kControlOffset;
  if (Overlaps(offset, size, control, 2)) {
    const uint16_t value = config().Get<uint16_t>(control);
    msix_enabled_ = (value & vmm::Msix::kEnable) != 0;
    msix_->SetControl(value);
  }
  if (const auto target = WindowTarget(offset, size)) {
    const auto value =
        config().Get<uint32_t>(window_capability_ + kCapabilityData);
    Write(target->first, AsBytes(value).first(target->second));
  }
}

void PciTransport::DidReset() {
  MutexLock lock(mutex_);
  common_->Reset();
  ForgetVectors();
  msix_enabled_ = false;
  msix_->Reset();
}

void PciTransport::InterruptForQueue(uint16_t index) {
  // 4.1.4.5.1: the ISR says so only where there is no vector to say it.
  if (!msix_enabled_) isr_ |= kIsrQueue;
  msix_->Trigger(queue_vectors_[index]);
}

void PciTransport::InterruptForConfig() {
  isr_ |= kIsrConfig;
  msix_->Trigger(config_vector_);
}

}  // namespace nacre::virtio
