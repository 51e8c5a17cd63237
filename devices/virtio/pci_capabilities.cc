#include "devices/virtio/pci_capabilities.h"

#include "base/bytes.h"
#include "base/checked.h"

namespace nacre::virtio {
namespace {

// Capability ids (PCI 3.0, appendix H).
constexpr uint8_t kPowerManagement = 0x01;
constexpr uint8_t kVendorSpecific = 0x09;

constexpr uint8_t kNotify = 2;
constexpr uint8_t kPciCfg = 5;
constexpr uint8_t kSharedMemory = 8;

// struct virtio_pci_cap after the bytes of id and next, which `cap_len` counts
// too; `extra` is what the longer forms add.
struct Body {
  uint8_t cap_len = 16;
  uint8_t cfg_type = 0;
  uint8_t bar = 0;
  uint8_t id = 0;
  uint8_t padding[2] = {};
  uint32_t offset = 0;
  uint32_t length = 0;
  uint32_t extra[2] = {};
} __attribute__((packed));
static_assert(sizeof(Body) == 22);

// Offsets from the beginning of the capability.
constexpr uint16_t kBarField = 4;
constexpr uint16_t kOffsetField = 8;
constexpr uint16_t kLengthField = 12;
constexpr uint16_t kDataField = 16;

uint8_t Add(vmm::ConfigSpace& config, const Body& body) {
  return config.AddCapability(kVendorSpecific,
                              AsBytes(body).first(body.cap_len - 2));
}

}  // namespace

void AddStructureCapability(vmm::ConfigSpace& config, uint8_t cfg_type,
                            uint8_t bar, uint32_t offset, uint32_t length) {
  Add(config,
      {.cfg_type = cfg_type, .bar = bar, .offset = offset, .length = length});
}

void AddNotifyCapability(vmm::ConfigSpace& config, uint8_t bar, uint32_t offset,
                         uint32_t length, uint32_t multiplier) {
  Add(config, {.cap_len = 20,
               .cfg_type = kNotify,
               .bar = bar,
               .offset = offset,
               .length = length,
               .extra = {multiplier, 0}});
}

void AddSharedMemoryCapability(vmm::ConfigSpace& config, uint8_t bar,
                               uint8_t id, uint64_t size) {
  // The upper halves of offset and length are the extra fields.
  Add(config, {.cap_len = 24,
               .cfg_type = kSharedMemory,
               .bar = bar,
               .id = id,
               .length = static_cast<uint32_t>(size),
               .extra = {0, static_cast<uint32_t>(size >> 32)}});
}

void AddPowerManagementCapability(vmm::ConfigSpace& config) {
  // Version 3; control and status with No_Soft_Reset and a writable state.
  constexpr uint8_t kBody[] = {0x03, 0x00, 0x08, 0x00, 0x00, 0x00};
  constexpr uint8_t kWritable[] = {0x00, 0x00, 0x03, 0x00, 0x00, 0x00};
  config.AddCapability(kPowerManagement, kBody, kWritable);
}

ConfigWindow ConfigWindow::Add(vmm::ConfigSpace& config) {
  constexpr Body kBody = {.cap_len = 20, .cfg_type = kPciCfg};
  // 4.1.4.9.1: the driver's to write, with the data that follows.
  constexpr Body kWritable = {.cap_len = 0,
                              .bar = 0xff,
                              .offset = ~uint32_t{0},
                              .length = ~uint32_t{0},
                              .extra = {~uint32_t{0}, 0}};
  const size_t size = kBody.cap_len - 2;
  return ConfigWindow(config.AddCapability(kVendorSpecific,
                                           AsBytes(kBody).first(size),
                                           AsBytes(kWritable).first(size)));
}

std::optional<ConfigWindow::Target> ConfigWindow::Find(
    const vmm::ConfigSpace& config, uint16_t offset, size_t size, uint8_t bar,
    uint64_t bar_size) const {
  if (!RangesOverlap(offset, size, data_offset(), sizeof(uint32_t))) {
    return std::nullopt;
  }
  const Target target = {
      .offset = config.Get<uint32_t>(capability_ + kOffsetField),
      .length = config.Get<uint32_t>(capability_ + kLengthField)};
  // 4.1.4.9.2: what the driver must keep to.
  if (config.Get<uint8_t>(capability_ + kBarField) != bar ||
      (target.length != 1 && target.length != 2 && target.length != 4) ||
      !IsAligned(target.offset, target.length) ||
      !RangeFits(target.offset, target.length, bar_size)) {
    return std::nullopt;
  }
  return target;
}

uint16_t ConfigWindow::data_offset() const { return capability_ + kDataField; }

}  // namespace nacre::virtio
