#include "tools/guest_kernel/virtio_pci.h"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "base/mapping.h"
#include "devices/virtio/common_config.h"
#include "devices/virtio/pci_transport.h"
#include "devices/virtio/testing/echo_device.h"
#include "glog/logging.h"
#include "gtest/gtest.h"
#include "tools/guest_kernel/platform.h"
#include "tools/guest_kernel/split_ring_driver.h"

namespace nacre::guest_kernel {
namespace {

using virtio::EchoDevice;

constexpr vmm::PciAddress kAddress = {.device = 3};
constexpr uint64_t kFeatures = virtio::kFeatureVersion1 |
                               virtio::kFeatureEventIdx |
                               virtio::kFeatureIndirectDesc;
constexpr uint64_t kRamBytes = 1 << 20;

class VirtioPciTest : public testing::Test {
 protected:
  VirtioPciTest() {
    auto platform = Platform::Create(kRamBytes);
    CHECK(platform.ok()) << platform.status();
    platform_ = *std::move(platform);
    auto transport = virtio::PciTransport::Create(
        &echo_, kAddress, 0xff00,
        {.memory = &platform_->memory,
         .mmio_bus = &platform_->mmio,
         .kick_binder = &platform_->kicks,
         .memory_windows = &platform_->windows,
         .msi_controller = platform_->interrupts.get()});
    CHECK(transport.ok()) << transport.status();
    CHECK(platform_->pci.Add(kAddress, *std::move(transport)).ok());
  }

  Mapping shared_ = *Mapping::Anonymous(1 << 16, 1 << 16);
  EchoDevice echo_{shared_.bytes()};
  std::unique_ptr<Platform> platform_;
};

TEST_F(VirtioPciTest, WhereThereIsNoDeviceNoneIsFound) {
  EXPECT_EQ(
      VirtioPciDevice::Probe(platform_.get(), {.device = 4}).status().code(),
      absl::StatusCode::kNotFound);
}

TEST_F(VirtioPciTest, ReadsWhatTheDeviceOffers) {
  auto device = VirtioPciDevice::Probe(platform_.get(), kAddress);
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ((*device)->ReadDeviceFeatures(), kFeatures | EchoDevice::kFeatures);
  EXPECT_EQ((*device)->MaxQueueSize(0), EchoDevice::kQueueSizes[0]);
  EXPECT_EQ((*device)->MaxQueueSize(1), EchoDevice::kQueueSizes[1]);
  EXPECT_EQ((*device)->MaxQueueSize(2), 0);
  const std::span<uint8_t> region =
      (*device)->FindSharedMemory(EchoDevice::kRegionId);
  EXPECT_EQ(region.data(), shared_.data());
  EXPECT_EQ(region.size(), shared_.size());
  EXPECT_TRUE((*device)->FindSharedMemory(EchoDevice::kRegionId + 1).empty());
}

TEST_F(VirtioPciTest, RefusedFeaturesAreAnError) {
  auto device = VirtioPciDevice::Probe(platform_.get(), kAddress);
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ(
      (*device)->Negotiate(kFeatures | EchoDevice::kFeatureNeedsOne).code(),
      absl::StatusCode::kFailedPrecondition);
}

TEST_F(VirtioPciTest, KicksAndInterruptsAreEventfds) {
  auto probed = VirtioPciDevice::Probe(platform_.get(), kAddress);
  ASSERT_TRUE(probed.ok()) << probed.status();
  VirtioPciDevice& device = **probed;
  ASSERT_TRUE(device.Negotiate(kFeatures).ok());
  const uint16_t size = device.MaxQueueSize(0);
  SplitRingDriver ring(platform_->memory, /*address=*/0, size);
  const auto kick = device.SetUpQueue(0, size, ring.addresses());
  ASSERT_TRUE(kick.ok()) << kick.status();
  device.SetDriverOk();
  ASSERT_TRUE(echo_.active().has_value());

  // One request of two descriptors; the device answers with what it reads.
  constexpr uint64_t kTable = 0x80000;
  constexpr uint64_t kRequest = 0x81000;
  constexpr uint64_t kResponse = 0x82000;
  const virtio::Descriptor table[] = {
      {kRequest, 4, virtio::kDescriptorNext, 1},
      {kResponse, 4, virtio::kDescriptorWrite, 0}};
  ASSERT_TRUE(platform_->memory.WriteValue(kTable, table).ok());
  ASSERT_TRUE(
      platform_->memory.WriteValue(kRequest, uint32_t{0x12345678}).ok());
  ring.SetTable(5, kTable);
  ring.Add(5, 2);
  // On its way to sleep the device may not have asked for it yet.
  ring.PrepareKick();
  (*kick)->Signal();
  EXPECT_EQ(platform_->interrupts->Take(), 1u << 1);
  EXPECT_EQ(ring.TakeUsed(), 5);
  EXPECT_EQ(ring.TakeUsed(), std::nullopt);
  EXPECT_EQ(*platform_->memory.ReadValue<uint32_t>(kResponse), 0x12345678u);

  device.Reset();
  EXPECT_FALSE(echo_.active().has_value());
  platform_->interrupts->Stop();
  EXPECT_EQ(platform_->interrupts->Take(), 0u);
}

}  // namespace
}  // namespace nacre::guest_kernel
