// Guests that use the registers of a virtio PCI device in ways that no driver
// would. Nothing they do may end the VMM or reach beyond the device.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio/common_config.h"
#include "devices/virtio/pci_transport.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/testing/fake_pci_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::virtio {
namespace {

using ::testing::ElementsAre;

constexpr vmm::PciAddress kAddress = {.device = 1};
constexpr std::array<uint8_t, 4> kRequest = {1, 2, 3, 4};
constexpr uint64_t kBarBytes = 0x8000;

class HostileGuestTest : public ::testing::Test {
 protected:
  HostileGuestTest() : driver_(&machine_, kAddress) {
    auto transport = PciTransport::Create(&device_, kAddress, 0x0380,
                                          {.memory = &machine_.ram.memory(),
                                           .mmio_bus = &machine_.mmio,
                                           .kick_binder = &machine_.kicks,
                                           .memory_windows = &machine_.windows,
                                           .msi_controller = &machine_.msi});
    EXPECT_TRUE(machine_.bus.Add(kAddress, *std::move(transport)).ok());
  }

  uint64_t bar() { return driver_.pci().ReadBar(0); }
  void ExpectAlive() {
    driver_.Start(kFeatureVersion1);
    EXPECT_THAT(driver_.Call(0, kRequest, 4), ElementsAre(1, 2, 3, 4));
  }

  EchoDevice device_;
  FakePciMachine machine_;
  FakePciDriver driver_;
};

TEST_F(HostileGuestTest, ReadsEveryOffsetBySize) {
  driver_.Start(kFeatureVersion1);
  for (uint64_t offset = 0; offset < kBarBytes; ++offset) {
    for (const size_t size : {1, 2, 4, 8}) {
      std::array<uint8_t, 8> data;
      machine_.mmio.Read(bar() + offset, std::span(data).first(size));
    }
  }
  EXPECT_THAT(driver_.Call(0, kRequest, 4), ElementsAre(1, 2, 3, 4));
}

TEST_F(HostileGuestTest, WritesEveryOffsetBySize) {
  for (const uint8_t fill : {0xff, 0x00, 0x0f}) {
    driver_.Start(kFeatureVersion1);
    for (uint64_t offset = 0; offset < kBarBytes; ++offset) {
      for (const size_t size : {1, 2, 4, 8}) {
        const std::vector<uint8_t> data(size, fill);
        machine_.mmio.Write(bar() + offset, data);
      }
    }
  }
  ExpectAlive();
}

TEST_F(HostileGuestTest, WritesAllOfConfigurationSpace) {
  driver_.Start(kFeatureVersion1);
  for (const uint8_t fill : {0xff, 0x00, 0x07}) {
    for (uint16_t offset = 0; offset < 4096; ++offset) {
      driver_.pci().Write<uint8_t>(offset, fill);
      driver_.pci().Read<uint8_t>(offset);
    }
    for (uint16_t offset = 0; offset < 4096; offset += 4) {
      driver_.pci().Write<uint32_t>(offset, fill * 0x01010101u);
      driver_.pci().Read<uint32_t>(offset);
    }
  }
  machine_.bus.Reset();
  ExpectAlive();
}

TEST_F(HostileGuestTest, NarrowWritesToWideFieldsAreIgnored) {
  driver_.Probe();
  driver_.WriteCommon<uint8_t>(24, 8);     // Half of queue_size.
  driver_.WriteCommon<uint32_t>(24, 8);    // Twice it.
  driver_.WriteCommon<uint16_t>(20, 0xf);  // device_status and more.
  driver_.WriteCommon<uint16_t>(25, 8);    // Between two fields.
  EXPECT_EQ(driver_.ReadCommon<uint16_t>(24), 64);
  EXPECT_EQ(driver_.status(), 0);
}

TEST_F(HostileGuestTest, ConfigurationWindowWithWildTargets) {
  const uint8_t window = driver_.Find(5)->capability;
  driver_.Start(kFeatureVersion1);
  for (const uint8_t bar_index : {0, 1, 2, 5, 6, 255}) {
    for (const uint32_t offset :
         {0u, 1u, 20u, 0x7ffeu, 0x7fffu, 0x8000u, 0xfffffffcu}) {
      for (const uint32_t length : {0u, 1u, 2u, 3u, 4u, 8u, 0xffffffffu}) {
        driver_.pci().Write<uint8_t>(window + 4, bar_index);
        driver_.pci().Write<uint32_t>(window + 8, offset);
        driver_.pci().Write<uint32_t>(window + 12, length);
        driver_.pci().Read<uint32_t>(window + 16);
        driver_.pci().Read<uint8_t>(window + 19);
        driver_.pci().Write<uint32_t>(window + 16, 0x0000'0101);
      }
    }
  }
  ExpectAlive();
}

// Every order of status writes that a byte can be.
TEST_F(HostileGuestTest, StatusWritesInAnyOrder) {
  driver_.Probe();
  driver_.Reset();
  for (int first = 0; first < 256; ++first) {
    for (const int second : {0x0f, 0x04, 0x08, 0xff, 0x00}) {
      driver_.set_status(static_cast<uint8_t>(first));
      driver_.set_status(static_cast<uint8_t>(second));
    }
  }
  ExpectAlive();
}

TEST_F(HostileGuestTest, ResetInMidCommand) {
  for (int i = 0; i < 200; ++i) {
    driver_.Start(kFeatureVersion1);
    for (int j = 0; j < 16; ++j) {
      driver_.queue(0).Chain().Readable(kRequest).Writable(4).Submit();
    }
    driver_.Kick(0);
    driver_.Reset();
    // After the reset the device leaves the rings alone.
    EXPECT_FALSE(device_.active().has_value());
  }
  ExpectAlive();
}

// One vCPU works the device while others do what they like to it.
TEST_F(HostileGuestTest, SeveralVcpusAtOnce) {
  driver_.Start(kFeatureVersion1);
  const uint64_t base = bar();
  std::atomic<bool> done = false;
  std::thread masker([&] {
    while (!done) {
      for (const uint32_t mask : {1u, 0u}) {
        machine_.mmio.Write(base + 0x4000 + 16 + 12, AsBytes(mask));
      }
    }
  });
  std::thread reader([&] {
    std::array<uint8_t, 8> data;
    while (!done) {
      for (uint64_t offset = 0; offset < 64; offset += 8) {
        machine_.mmio.Read(base + offset, data);
      }
      machine_.mmio.Read(base + 0x1000, std::span(data).first(1));
      machine_.mmio.Read(base + 0x2000, data);
      machine_.mmio.Read(base + 0x5000, data);
    }
  });
  for (int i = 0; i < 200; ++i) {
    EXPECT_THAT(driver_.Call(0, kRequest, 4), ElementsAre(1, 2, 3, 4));
  }
  done = true;
  masker.join();
  reader.join();
}

}  // namespace
}  // namespace nacre::virtio
