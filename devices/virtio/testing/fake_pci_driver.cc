#include "devices/virtio/testing/fake_pci_driver.h"

#include <algorithm>
#include <utility>

#include "devices/virtio/common_config.h"
#include "glog/logging.h"
#include "vmm/pci/msix.h"

namespace nacre::virtio {
namespace {

constexpr uint8_t kVendorCapability = 0x09;
constexpr uint8_t kMsixCapability = 0x11;

// Offsets in struct virtio_pci_common_cfg.
constexpr uint64_t kDeviceFeatureSelect = 0;
constexpr uint64_t kDeviceFeature = 4;
constexpr uint64_t kDriverFeatureSelect = 8;
constexpr uint64_t kDriverFeature = 12;
constexpr uint64_t kConfigVector = 16;
constexpr uint64_t kQueueSelect = 22;
constexpr uint64_t kQueueSize = 24;
constexpr uint64_t kQueueVector = 26;
constexpr uint64_t kQueueEnable = 28;
constexpr uint64_t kQueueNotifyOff = 30;
constexpr uint64_t kQueueDesc = 32;
constexpr uint64_t kQueueDriver = 40;
constexpr uint64_t kQueueDevice = 48;

}  // namespace

std::optional<FakePciDriver::Structure> FakePciDriver::Find(uint8_t cfg_type) {
  for (const uint8_t at : pci_.FindCapabilities(kVendorCapability)) {
    if (pci_.Read<uint8_t>(at + 3) != cfg_type) continue;
    Structure found{.capability = at,
                    .cap_len = pci_.Read<uint8_t>(at + 2),
                    .bar = pci_.Read<uint8_t>(at + 4),
                    .id = pci_.Read<uint8_t>(at + 5),
                    .offset = pci_.Read<uint32_t>(at + 8),
                    .length = pci_.Read<uint32_t>(at + 12)};
    if (found.cap_len == 24) {
      found.offset |= uint64_t{pci_.Read<uint32_t>(at + 16)} << 32;
      found.length |= uint64_t{pci_.Read<uint32_t>(at + 20)} << 32;
    } else if (found.cap_len == 20) {
      found.notify_multiplier = pci_.Read<uint32_t>(at + 16);
    }
    return found;
  }
  return std::nullopt;
}

void FakePciDriver::RereadBars() {
  const auto address = [this](uint8_t cfg_type) {
    const std::optional<Structure> found = Find(cfg_type);
    CHECK(found.has_value()) << "no capability of type " << int{cfg_type};
    return pci_.ReadBar(found->bar) + found->offset;
  };
  common_ = address(1);
  notify_ = address(2);
  notify_multiplier_ = Find(2)->notify_multiplier;
  isr_ = address(3);
  device_config_ = address(4);
  const uint8_t msix = pci_.FindCapabilities(kMsixCapability).at(0);
  const uint32_t table = pci_.Read<uint32_t>(msix + 4);
  msix_table_ = pci_.ReadBar(table & 7) + (table & ~7u);
}

void FakePciDriver::Probe() {
  RereadBars();
  pci_.EnableMemory(true);
  const uint8_t msix = pci_.FindCapabilities(kMsixCapability).at(0);
  const uint16_t control = pci_.Read<uint16_t>(msix + 2);
  const uint16_t vectors = (control & 0x7ff) + 1;
  pci_.Write<uint16_t>(msix + 2,
                       control | vmm::Msix::kEnable | vmm::Msix::kFunctionMask);
  for (uint64_t i = 0; i < vectors; ++i) {
    Write<uint32_t>(msix_table_ + i * 16, 0xfee0'0000);
    Write<uint32_t>(msix_table_ + i * 16 + 4, 0);
    Write<uint32_t>(msix_table_ + i * 16 + 8,
                    kMessageBase + static_cast<uint32_t>(i));
    Write<uint32_t>(msix_table_ + i * 16 + 12, 0);
  }
  pci_.Write<uint16_t>(msix + 2, control | vmm::Msix::kEnable);
}

void FakePciDriver::Reset() {
  set_status(0);
  CHECK_EQ(status(), 0);
  queues_.clear();
}

uint64_t FakePciDriver::ReadDeviceFeatures() {
  WriteCommon<uint32_t>(kDeviceFeatureSelect, 0);
  uint64_t features = ReadCommon<uint32_t>(kDeviceFeature);
  WriteCommon<uint32_t>(kDeviceFeatureSelect, 1);
  return features | uint64_t{ReadCommon<uint32_t>(kDeviceFeature)} << 32;
}

bool FakePciDriver::Negotiate(uint64_t features) {
  features_ = features;
  set_status(kStatusAcknowledge);
  set_status(kStatusAcknowledge | kStatusDriver);
  for (uint32_t i = 0; i < 2; ++i) {
    WriteCommon<uint32_t>(kDriverFeatureSelect, i);
    WriteCommon<uint32_t>(kDriverFeature,
                          static_cast<uint32_t>(features >> (32 * i)));
  }
  set_status(kStatusAcknowledge | kStatusDriver | kStatusFeaturesOk);
  return (status() & kStatusFeaturesOk) != 0;
}

FakeQueue& FakePciDriver::SetUpQueue(uint16_t index) {
  WriteCommon<uint16_t>(kQueueSelect, index);
  queues_.resize(std::max<size_t>(queues_.size(), index + 1));
  queues_[index] = std::make_unique<FakeQueue>(
      &machine_->ram,
      FakeQueue::Options{.size = ReadCommon<uint16_t>(kQueueSize),
                         .event_index = (features_ & kFeatureEventIdx) != 0,
                         .indirect = (features_ & kFeatureIndirectDesc) != 0});
  const QueueLayout& layout = queues_[index]->layout();
  const auto write_address = [this](uint64_t offset, uint64_t address) {
    WriteCommon<uint32_t>(offset, static_cast<uint32_t>(address));
    WriteCommon<uint32_t>(offset + 4, static_cast<uint32_t>(address >> 32));
  };
  write_address(kQueueDesc, layout.descriptor_table);
  write_address(kQueueDriver, layout.available_ring);
  write_address(kQueueDevice, layout.used_ring);
  WriteCommon<uint16_t>(kQueueVector, static_cast<uint16_t>(1 + index));
  WriteCommon<uint16_t>(kQueueEnable, 1);
  return *queues_[index];
}

void FakePciDriver::SetDriverOk() {
  WriteCommon<uint16_t>(kConfigVector, 0);
  set_status(status() | kStatusDriverOk);
}

void FakePciDriver::Start(uint64_t features) {
  Probe();
  Reset();
  CHECK(Negotiate(features)) << "the device refuses the features";
  SetUpQueue(0);
  SetUpQueue(1);
  SetDriverOk();
}

uint64_t FakePciDriver::NotifyAddress(uint16_t index) {
  WriteCommon<uint16_t>(kQueueSelect, index);
  return notify_ +
         uint64_t{ReadCommon<uint16_t>(kQueueNotifyOff)} * notify_multiplier_;
}

void FakePciDriver::Kick(uint16_t index) {
  const uint64_t address = NotifyAddress(index);
  if (!machine_->kicks.Write(address, sizeof(index))) Write(address, index);
}

std::vector<uint8_t> FakePciDriver::Call(uint16_t index,
                                         std::span<const uint8_t> request,
                                         uint32_t response_size) {
  const uint16_t head =
      queue(index).Chain().Readable(request).Writable(response_size).Submit();
  const int before = machine_->msi.count(QueueMessage(index));
  if (queue(index).NeedsKick()) Kick(index);
  machine_->msi.WaitForCount(QueueMessage(index), before + 1);
  std::optional<UsedChain> used = queue(index).PopUsed();
  CHECK(used.has_value()) << "interrupt without a completion";
  CHECK_EQ(used->head, head);
  return std::move(used->response);
}

}  // namespace nacre::virtio
