#include "devices/virtio/pci_transport.h"

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "devices/virtio/common_config.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/testing/fake_pci_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::virtio {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr vmm::PciAddress kAddress = {.device = 1};
constexpr std::array<uint8_t, 4> kRequest = {1, 2, 3, 4};
constexpr uint64_t kRegionBytes = uint64_t{2} << 20;
constexpr uint16_t kNoVector = PciTransport::kNoVector;

class PciTransportTest : public ::testing::Test {
 protected:
  PciTransportTest() : driver_(&machine_, kAddress) {
    auto transport = PciTransport::Create(&device_, kAddress, 0x0380,
                                          {.memory = &machine_.ram.memory(),
                                           .mmio_bus = &machine_.mmio,
                                           .kick_binder = &machine_.kicks,
                                           .memory_windows = &machine_.windows,
                                           .msi_controller = &machine_.msi});
    EXPECT_TRUE(transport.ok()) << transport.status();
    transport_ = transport->get();
    EXPECT_TRUE(machine_.bus.Add(kAddress, *std::move(transport)).ok());
  }

  vmm::PciGuest& pci() { return driver_.pci(); }

  std::vector<uint8_t> region_ = std::vector<uint8_t>(kRegionBytes);
  EchoDevice device_{region_};
  FakePciMachine machine_;
  FakePciDriver driver_;
  PciTransport* transport_;
};

TEST_F(PciTransportTest, IsAModernVirtioDevice) {
  EXPECT_EQ(pci().Read<uint16_t>(vmm::kPciVendorId), 0x1af4);
  EXPECT_EQ(pci().Read<uint16_t>(vmm::kPciDeviceId),
            0x1040 + EchoDevice::kDeviceId);
  EXPECT_EQ(pci().Read<uint8_t>(vmm::kPciRevision), 1);
  EXPECT_EQ(pci().Read<uint16_t>(vmm::kPciRevision + 2), 0x0380);
}

// 4.1.4: which capabilities there must be, and where they may lie.
TEST_F(PciTransportTest, DescribesItsStructures) {
  struct Expected {
    uint8_t type;
    uint8_t cap_len;
    uint64_t min_length;
  };
  for (const Expected& expected : {Expected{1, 16, 56}, Expected{2, 20, 8},
                                   Expected{3, 16, 1}, Expected{4, 16, 8}}) {
    const auto found = driver_.Find(expected.type);
    ASSERT_TRUE(found.has_value()) << int{expected.type};
    EXPECT_EQ(found->cap_len, expected.cap_len);
    EXPECT_GE(found->length, expected.min_length);
    EXPECT_LE(found->offset + found->length, pci().SizeBar(found->bar));
    EXPECT_EQ(found->offset % 4, 0u);
  }
  EXPECT_TRUE(driver_.Find(5).has_value());
}

// 4.1.4.7; Linux wants exactly 24 bytes, and a BAR that it claims whole.
TEST_F(PciTransportTest, SharedMemoryHasABarOfItsOwn) {
  const auto shared = driver_.Find(8);
  ASSERT_TRUE(shared.has_value());
  EXPECT_EQ(shared->cap_len, 24);
  EXPECT_EQ(shared->id, EchoDevice::kRegionId);
  EXPECT_EQ(shared->offset, 0u);
  EXPECT_EQ(shared->length, kRegionBytes);
  EXPECT_NE(shared->bar, driver_.Find(1)->bar);
  EXPECT_TRUE(pci().IsBar64(shared->bar));
  EXPECT_EQ(pci().SizeBar(shared->bar), kRegionBytes);
  driver_.Probe();
  const auto& windows = machine_.windows.windows();
  ASSERT_EQ(windows.size(), 1u);
  EXPECT_EQ(windows.begin()->first, pci().ReadBar(shared->bar));
  EXPECT_EQ(windows.begin()->second.data(), region_.data());
}

TEST_F(PciTransportTest, HasAVectorForEachQueueAndOneForConfiguration) {
  const uint8_t msix = pci().FindCapabilities(0x11).at(0);
  EXPECT_EQ(pci().Read<uint16_t>(msix + 2) & 0x7ff, 3 - 1);
}

// Linux from 6.12 on then leaves the device as it is over a suspend.
TEST_F(PciTransportTest, KeepsItsStateInD3) {
  const uint8_t pm = pci().FindCapabilities(0x01).at(0);
  EXPECT_NE(pci().Read<uint16_t>(pm + 4) & 0x8, 0);
  driver_.Start(kFeatureVersion1);
  pci().Write<uint16_t>(pm + 4, 3);
  EXPECT_EQ(pci().Read<uint16_t>(pm + 4) & 3, 3);
  pci().Write<uint16_t>(pm + 4, 0);
  EXPECT_THAT(driver_.Call(0, kRequest, 4), ElementsAre(1, 2, 3, 4));
}

TEST_F(PciTransportTest, ServesADriver) {
  driver_.Start(kFeatureVersion1 | kFeatureEventIdx | kFeatureIndirectDesc);
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT(driver_.Call(0, kRequest, 4), ElementsAre(1, 2, 3, 4));
    ASSERT_THAT(driver_.Call(1, kRequest, 2), ElementsAre(1, 2));
  }
  EXPECT_EQ(transport_->stats().kicks_by_exit, 0u);
  EXPECT_EQ(transport_->stats().queue_interrupts, 200u);
}

TEST_F(PciTransportTest, FieldsReadByTheirWidth) {
  driver_.Probe();
  EXPECT_EQ(driver_.ReadCommon<uint16_t>(18), 2);   // num_queues
  EXPECT_EQ(driver_.ReadCommon<uint16_t>(24), 64);  // queue_size
  driver_.WriteCommon<uint16_t>(22, 1);
  EXPECT_EQ(driver_.ReadCommon<uint16_t>(24), 16);
  EXPECT_EQ(driver_.ReadCommon<uint16_t>(30), 1);  // queue_notify_off
  EXPECT_EQ(driver_.ReadCommon<uint32_t>(20), 0x0001'0000u);
  EXPECT_NE(driver_.ReadDeviceFeatures() & kFeatureVersion1, 0u);
}

TEST_F(PciTransportTest, RingAddressesAreWrittenInHalvesOrWhole) {
  driver_.Probe();
  driver_.WriteCommon<uint64_t>(32, 0x1234'5678'9abc'def0);
  EXPECT_EQ(driver_.ReadCommon<uint32_t>(32), 0x9abc'def0u);
  EXPECT_EQ(driver_.ReadCommon<uint32_t>(36), 0x1234'5678u);
  driver_.WriteCommon<uint32_t>(36, 1);
  EXPECT_EQ(driver_.ReadCommon<uint64_t>(32), 0x1'9abc'def0u);
}

// 4.1.5.1.2.1
TEST_F(PciTransportTest, VectorsThatCannotBeHadReadBackAsNone) {
  driver_.Probe();
  EXPECT_EQ(driver_.ReadCommon<uint16_t>(16), kNoVector);
  EXPECT_EQ(driver_.ReadCommon<uint16_t>(26), kNoVector);
  for (const uint64_t field : {16, 26}) {
    driver_.WriteCommon<uint16_t>(field, 2);
    EXPECT_EQ(driver_.ReadCommon<uint16_t>(field), 2);
    driver_.WriteCommon<uint16_t>(field, 3);
    EXPECT_EQ(driver_.ReadCommon<uint16_t>(field), kNoVector);
  }
  driver_.WriteCommon<uint16_t>(22, 2);  // No such queue.
  driver_.WriteCommon<uint16_t>(26, 1);
  EXPECT_EQ(driver_.ReadCommon<uint16_t>(26), kNoVector);
}

TEST_F(PciTransportTest, ConfigChangesInterruptAndShowInTheIsr) {
  driver_.Start(kFeatureVersion1);
  device_.ChangeConfig(0x5a);
  machine_.msi.WaitForCount(FakePciDriver::kConfigMessage, 1);
  EXPECT_EQ(driver_.Read<uint8_t>(driver_.device_config()), 0x5a);
  EXPECT_EQ(driver_.Read<uint8_t>(driver_.isr()), 2);
  EXPECT_EQ(driver_.Read<uint8_t>(driver_.isr()), 0);  // 4.1.4.5.1
}

// Linux shares one vector among the queues where it gets only two.
TEST_F(PciTransportTest, QueuesCanShareAVector) {
  driver_.Start(kFeatureVersion1);
  driver_.WriteCommon<uint16_t>(22, 0);
  driver_.WriteCommon<uint16_t>(26, 2);
  driver_.queue(0).Chain().Readable(kRequest).Submit();
  driver_.Kick(0);
  machine_.msi.WaitForCount(FakePciDriver::QueueMessage(1), 1);
  EXPECT_EQ(machine_.msi.count(FakePciDriver::QueueMessage(0)), 0);
}

TEST_F(PciTransportTest, WithoutMsixTheIsrTellsOfQueues) {
  driver_.Start(kFeatureVersion1);
  const uint8_t msix = pci().FindCapabilities(0x11).at(0);
  pci().Write<uint16_t>(msix + 2, 0);
  driver_.queue(0).Chain().Readable(kRequest).Submit();
  driver_.Kick(0);
  while (driver_.Read<uint8_t>(driver_.isr()) == 0) {
  }
  EXPECT_EQ(machine_.msi.total(), 0);
}

TEST_F(PciTransportTest, MaskedQueueInterruptComesWhenUnmasked) {
  driver_.Start(kFeatureVersion1);
  const uint64_t control = driver_.msix_table() + 16 + 12;  // Queue 0's.
  driver_.Write<uint32_t>(control, 1);
  driver_.queue(0).Chain().Readable(kRequest).Submit();
  driver_.Kick(0);
  const uint64_t pending = driver_.msix_table() + 0x1000;
  while ((driver_.Read<uint64_t>(pending) & 2) == 0) {
  }
  EXPECT_EQ(machine_.msi.total(), 0);
  driver_.Write<uint32_t>(control, 0);
  EXPECT_EQ(machine_.msi.count(FakePciDriver::QueueMessage(0)), 1);
}

// Where the hypervisor binds no eventfd, or decodes the write itself.
TEST_F(PciTransportTest, KicksByExitWorkToo) {
  machine_.kicks.set_fail(true);
  driver_.Start(kFeatureVersion1);
  EXPECT_THAT(driver_.Call(1, kRequest, 4), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(transport_->stats().kicks_by_exit, 1u);
}

TEST_F(PciTransportTest, KicksFollowTheBar) {
  driver_.Start(kFeatureVersion1);
  ASSERT_EQ(machine_.kicks.addresses().size(), 2u);
  const uint64_t before = driver_.NotifyAddress(0);
  const int bar = driver_.Find(1)->bar;
  pci().WriteBar(bar, FakePciMachine::kWindows.low.address + 0x800'0000);
  driver_.RereadBars();
  EXPECT_NE(driver_.NotifyAddress(0), before);
  EXPECT_THAT(machine_.kicks.addresses(),
              ElementsAre(driver_.NotifyAddress(0), driver_.NotifyAddress(1)));
  EXPECT_THAT(driver_.Call(0, kRequest, 4), ElementsAre(1, 2, 3, 4));
  pci().EnableMemory(false);
  EXPECT_THAT(machine_.kicks.addresses(), IsEmpty());
}

// Those stay, and the BAR with them, until the host lets them go.
TEST_F(PciTransportTest, KicksThatCannotBeUnboundAreNoEnd) {
  driver_.Start(kFeatureVersion1);
  const std::vector<uint64_t> before = machine_.kicks.addresses();
  machine_.kicks.set_fail_unbind(true);
  pci().WriteBar(driver_.Find(1)->bar,
                 FakePciMachine::kWindows.low.address + 0x800'0000);
  EXPECT_EQ(machine_.kicks.addresses(), before);
  machine_.kicks.set_fail_unbind(false);
  driver_.RereadBars();
  EXPECT_THAT(machine_.kicks.addresses(),
              ElementsAre(driver_.NotifyAddress(0), driver_.NotifyAddress(1)));
  EXPECT_THAT(driver_.Call(0, kRequest, 4), ElementsAre(1, 2, 3, 4));
}

TEST_F(PciTransportTest, BrokenQueueNeedsAReset) {
  driver_.Start(kFeatureVersion1);
  driver_.queue(0).SubmitHead(0xffff);
  driver_.Kick(0);
  machine_.msi.WaitForCount(FakePciDriver::kConfigMessage, 1);
  EXPECT_NE(driver_.status() & kStatusNeedsReset, 0);
  driver_.Start(kFeatureVersion1);
  EXPECT_THAT(driver_.Call(0, kRequest, 4), ElementsAre(1, 2, 3, 4));
}

TEST_F(PciTransportTest, ResetForgetsVectors) {
  driver_.Start(kFeatureVersion1);
  driver_.Reset();
  EXPECT_EQ(driver_.ReadCommon<uint16_t>(16), kNoVector);
  EXPECT_EQ(driver_.ReadCommon<uint16_t>(26), kNoVector);
}

// 4.1.4.9: a way to the registers that needs no BAR.
TEST_F(PciTransportTest, ConfigurationWindowReachesTheRegisters) {
  const uint8_t window = driver_.Find(5)->capability;
  const auto select = [&](uint32_t offset, uint32_t length) {
    pci().Write<uint8_t>(window + 4, 0);
    pci().Write<uint32_t>(window + 8, offset);
    pci().Write<uint32_t>(window + 12, length);
  };
  select(18, 2);
  EXPECT_EQ(pci().Read<uint16_t>(window + 16), 2);  // num_queues
  select(20, 1);
  pci().Write<uint8_t>(window + 16, kStatusAcknowledge);
  EXPECT_EQ(pci().Read<uint8_t>(window + 16), kStatusAcknowledge);
  driver_.Probe();
  EXPECT_EQ(driver_.status(), kStatusAcknowledge);
}

TEST_F(PciTransportTest, MachineResetResetsTheDevice) {
  driver_.Start(kFeatureVersion1);
  machine_.bus.Reset();
  EXPECT_FALSE(device_.active().has_value());
  EXPECT_THAT(machine_.kicks.addresses(), IsEmpty());
  EXPECT_THAT(machine_.windows.windows(), IsEmpty());
  driver_.Start(kFeatureVersion1);
  EXPECT_THAT(driver_.Call(0, kRequest, 4), ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace nacre::virtio
