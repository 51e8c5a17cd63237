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
constexpr uint8_t kRegisterBar = 0;
constexpr uint64_t kPart = 0x1000;
constexpr uint64_t kCommon = 0x0000;
constexpr uint64_t kIsr = 0x1000;
constexpr uint64_t kDeviceConfig = 0x2000;
constexpr uint64_t kNotify = 0x3000;
constexpr uint64_t kMsixTable = 0x4000;
constexpr uint64_t kMsixPending = 0x5000;
constexpr uint64_t kRegisterBarSize = 0x8000;
static_assert((PciTransport::kMaxQueues + uint64_t{1}) *
                  vmm::Msix::kEntrySize <=
              kPart);

constexpr uint64_t kNotifyMultiplier = 4;
static_assert(PciTransport::kMaxQueues * kNotifyMultiplier <= kPart);

constexpr int kFirstSharedMemoryBar = 2;
constexpr size_t kMaxSharedMemoryRegions = 2;

constexpr uint8_t kIsrQueue = 1;
constexpr uint8_t kIsrConfig = 2;

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
      queue_vectors_(device->max_queue_sizes().size()),
      queue_events_(queue_vectors_.size(), nullptr) {
  ForgetVectors();
}

PciTransport::~PciTransport() {
  UnmapBars();
  // While there is still somebody for the device to notify.
  common_.reset();
}

void PciTransport::AddCapabilities() {
  AddStructureCapability(config(), kStructureCommon, kRegisterBar, kCommon,
                         kCommonSize);
  AddStructureCapability(config(), kStructureIsr, kRegisterBar, kIsr, 1);
  AddStructureCapability(config(), kStructureDevice, kRegisterBar,
                         kDeviceConfig, kPart);
  AddNotifyCapability(
      config(), kRegisterBar, kNotify,
      static_cast<uint32_t>(common_->num_queues() * kNotifyMultiplier),
      kNotifyMultiplier);
  window_ = ConfigWindow::Add(config());
  msix_capability_ =
      msix_->AddCapability(config(), kRegisterBar, kMsixTable, kMsixPending);
  AddPowerManagementCapability(config());
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
    AddSharedMemoryCapability(config(), static_cast<uint8_t>(bar), region.id,
                              region.host.size());
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
    if (!RangesOverlap(offset, data.size(), field.offset, field.size)) {
      continue;
    }
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
    if (SelectedVector() != nullptr) BindQueueEvent(common_->selected_queue());
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

void PciTransport::SetQueueEvent(uint16_t index, const EventFd* event) {
  if (queue_events_[index] != nullptr) msix_->Unbind(queue_events_[index]);
  queue_events_[index] = event;
  BindQueueEvent(index);
}

void PciTransport::BindQueueEvent(uint16_t index) {
  const EventFd* const event = queue_events_[index];
  if (event == nullptr) return;
  msix_->Unbind(event);
  msix_->Bind(queue_vectors_[index], event);
}

void PciTransport::WillReadConfig(uint16_t offset, size_t size) {
  if (const auto target = window_->Find(config(), offset, size, kRegisterBar,
                                        kRegisterBarSize)) {
    uint32_t value = 0;
    Read(target->offset, AsWritableBytes(value).first(target->length));
    config().Set<uint32_t>(window_->data_offset(), value);
  }
}

void PciTransport::DidWriteConfig(uint16_t offset, size_t size) {
  const uint16_t control = msix_capability_ + vmm::Msix::kControlOffset;
  if (RangesOverlap(offset, size, control, sizeof(uint16_t))) {
    const uint16_t value = config().Get<uint16_t>(control);
    msix_enabled_ = (value & vmm::Msix::kEnable) != 0;
    msix_->SetControl(value);
  }
  if (const auto target = window_->Find(config(), offset, size, kRegisterBar,
                                        kRegisterBarSize)) {
    const auto value = config().Get<uint32_t>(window_->data_offset());
    Write(target->offset, AsBytes(value).first(target->length));
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
