#include "devices/virtio/remote/remote_device.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "base/errno_status.h"
#include "base/mapping.h"
#include "base/mutex.h"
#include "base/testing/host_faults.h"
#include "devices/virtio/common_config.h"
#include "devices/virtio/pci_transport.h"
#include "devices/virtio/remote/channel.h"
#include "devices/virtio/remote/device_server.h"
#include "devices/virtio/remote/device_services.h"
#include "devices/virtio/remote/service_client.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/testing/fake_driver.h"
#include "devices/virtio/testing/fake_pci_driver.h"
#include "gtest/gtest.h"

namespace nacre::virtio {
namespace {

// Remembers what it was asked for.
class FakeServices final : public DeviceServices {
 public:
  absl::Status MapRegion(uint64_t offset, uint64_t size, uint64_t file_offset,
                         int file) override {
    if (offset != 0) return absl::OutOfRangeError("only at 0");
    mapped_ = *Mapping::Shared(file, file_offset, size);
    return absl::OkStatus();
  }
  absl::Status UnmapRegion(uint64_t offset) override {
    if (offset != 0) return absl::NotFoundError("only at 0");
    mapped_ = Mapping();
    return absl::OkStatus();
  }
  absl::Status ClearRegion() override { return UnmapRegion(0); }
  absl::StatusOr<Fd> OpenNode() override { return CreateMemfd("node", 12288); }

  const Mapping& mapped() const { return mapped_; }

 private:
  Mapping mapped_;
};

// An EchoDevice behind sockets, served by a thread of this process.
class RemoteDeviceTest : public testing::Test {
 protected:
  RemoteDeviceTest() {
    auto [control, remote_control] = *Channel::CreatePair();
    auto [services, remote_services] = *Channel::CreatePair();
    client_ = std::make_unique<ServiceClient>(std::move(remote_services));
    server_ = std::make_unique<DeviceServer>(
        std::move(remote_control), client_.get(),
        DeviceServer::Config{
            .make = [this](absl::string_view configuration)
                -> absl::StatusOr<VirtioDevice*> {
              configuration_ = std::string(configuration);
              if (configuration == "broken") {
                return absl::NotFoundError("no such\ndevice");
              }
              return &echo_;
            },
            .counters = [] { return std::string("counts"); },
            .counters_interval = std::chrono::milliseconds(1)});
    server_thread_ = std::thread([this] {
      const HostFault::Exempt device;
      served_ = server_->Serve();
    });
    control_.emplace(std::move(control));
    services_channel_.emplace(std::move(services));
  }
  ~RemoteDeviceTest() override {
    remote_.reset();
    control_.reset();
    server_thread_.join();
    EXPECT_TRUE(served_.ok()) << served_;
  }

  absl::Status Connect(const std::string& configuration = "hello") {
    auto remote = RemoteDevice::Create(
        *std::move(control_), *std::move(services_channel_), &services_,
        {.configuration = configuration,
         .regions = {{.id = 1, .host = region_.bytes()}},
         .reply_limit = std::chrono::seconds(30),
         .on_lost = {}});
    control_.reset();
    if (!remote.ok()) return remote.status();
    remote_ = *std::move(remote);
    return absl::OkStatus();
  }

  FakeServices services_;
  EchoDevice echo_;
  std::string configuration_;
  Mapping region_ = *Mapping::Anonymous(4096, 4096);
  std::unique_ptr<ServiceClient> client_;
  std::unique_ptr<DeviceServer> server_;
  std::thread server_thread_;
  absl::Status served_;
  std::optional<Channel> control_;
  std::optional<Channel> services_channel_;
  std::unique_ptr<RemoteDevice> remote_;
};

TEST_F(RemoteDeviceTest, IsWhatTheDeviceIs) {
  ASSERT_TRUE(Connect().ok());
  EXPECT_EQ(configuration_, "hello");
  EXPECT_EQ(remote_->device_id(), EchoDevice::kDeviceId);
  EXPECT_EQ(remote_->device_features(), EchoDevice::kFeatures);
  EXPECT_TRUE(
      std::ranges::equal(remote_->max_queue_sizes(), EchoDevice::kQueueSizes));
  EXPECT_EQ(remote_->shared_memory_regions()[0].host.data(), region_.data());
  EXPECT_TRUE(remote_->AcceptsFeatures(EchoDevice::kFeatureOne));
  EXPECT_FALSE(remote_->AcceptsFeatures(EchoDevice::kFeatureNeedsOne));
}

TEST_F(RemoteDeviceTest, ADeviceThatCannotBeMadeSaysWhy) {
  const absl::Status status = Connect("broken");
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(status.message(), "no such?device");
}

TEST_F(RemoteDeviceTest, ConfigurationSpaceIsTheDevices) {
  ASSERT_TRUE(Connect().ok());
  const std::array<uint8_t, 4> written = {1, 2, 3, 4};
  remote_->WriteConfig(2, written);
  std::array<uint8_t, 8> read = {};
  remote_->ReadConfig(4, read);
  EXPECT_EQ(read, (std::array<uint8_t, 8>{3, 4, 0, 0, 0, 0, 0, 0}));
}

TEST_F(RemoteDeviceTest, RequestsAreAnsweredOnEveryQueue) {
  ASSERT_TRUE(Connect().ok());
  FakeDriver driver(remote_.get());
  ASSERT_TRUE(driver.Start().ok());
  const std::vector<uint8_t> request = {1, 2, 3, 4};
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(driver.Call(0, request, 4), request);
    EXPECT_EQ(driver.Call(1, request, 4), request);
  }
}

TEST_F(RemoteDeviceTest, WorksAgainAfterReset) {
  ASSERT_TRUE(Connect().ok());
  FakeDriver driver(remote_.get());
  const std::vector<uint8_t> request = {1, 2, 3, 4};
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(driver.Start().ok());
    EXPECT_EQ(driver.Call(0, request, 4), request);
    driver.Reset();
    EXPECT_FALSE(echo_.active().has_value());
  }
}

// Behind a transport that lets the hypervisor have the interrupts.
TEST_F(RemoteDeviceTest, InterruptsFindTheirVectors) {
  constexpr vmm::PciAddress kAddress = {.device = 1};
  ASSERT_TRUE(Connect().ok());
  FakePciMachine machine;
  ASSERT_TRUE(
      machine.bus
          .Add(kAddress, *PciTransport::Create(
                             remote_.get(), kAddress, /*device_class=*/0x0380,
                             {.memory = &machine.ram.memory(),
                              .mmio_bus = &machine.mmio,
                              .kick_binder = &machine.kicks,
                              .memory_windows = &machine.windows,
                              .msi_controller = &machine.msi}))
          .ok());
  FakePciDriver driver(&machine, kAddress);
  const std::vector<uint8_t> request = {1, 2, 3, 4};
  for (int i = 0; i < 2; ++i) {
    driver.Start(kFeatureVersion1);
    EXPECT_EQ(driver.Call(0, request, 4), request);
    EXPECT_EQ(driver.Call(1, request, 4), request);
  }
  // Masked while the device answers, or before, or after.
  const uint64_t mask = driver.msix_table() + 16 + 12;
  for (int i = 0; i < 100; ++i) {
    const uint32_t message = FakePciDriver::QueueMessage(0);
    const int before = machine.msi.count(message);
    driver.queue(0).Chain().Readable(request).Writable(4).Submit();
    driver.Write<uint32_t>(mask, 1);
    driver.Kick(0);
    driver.Write<uint32_t>(mask, 0);
    machine.msi.WaitForCount(message, before + 1);
    EXPECT_TRUE(driver.queue(0).PopUsed().has_value());
  }
  // Moved to the other queue's vector.
  driver.WriteCommon<uint16_t>(/*queue_select=*/22, 0);
  driver.WriteCommon<uint16_t>(/*queue_msix_vector=*/26, 2);
  const int before = machine.msi.count(FakePciDriver::QueueMessage(1));
  driver.queue(0).Chain().Readable(request).Writable(4).Submit();
  driver.Kick(0);
  machine.msi.WaitForCount(FakePciDriver::QueueMessage(1), before + 1);
}

TEST_F(RemoteDeviceTest, AFailedActivationIsTheDevices) {
  ASSERT_TRUE(Connect().ok());
  echo_.FailActivate();
  FakeDriver driver(remote_.get());
  const absl::Status status = driver.Start();
  EXPECT_EQ(status.message(), "told to fail");
  driver.Reset();
  EXPECT_TRUE(driver.Start().ok());
}

TEST_F(RemoteDeviceTest, TheDeviceTellsTheDriver) {
  ASSERT_TRUE(Connect().ok());
  FakeDriver driver(remote_.get());
  ASSERT_TRUE(driver.Start().ok());
  echo_.ChangeConfig(9);
  driver.WaitConfigChanges(1);
  echo_.BreakDown();
  driver.WaitNeedsReset();
}

TEST_F(RemoteDeviceTest, MapsAndOpensByAskingTheOtherProcess) {
  ASSERT_TRUE(Connect().ok());
  const Fd memfd = *CreateMemfd("blob", 8192);
  Mapping ours = *Mapping::Shared(memfd.get(), 4096, 4096);
  ours.data()[0] = 77;
  ASSERT_TRUE(client_->MapRegion(0, 4096, 4096, memfd.get()).ok());
  EXPECT_EQ(services_.mapped().data()[0], 77);
  EXPECT_TRUE(absl::IsOutOfRange(client_->MapRegion(1, 2, 0, memfd.get())));
  EXPECT_TRUE(client_->UnmapRegion(0).ok());
  EXPECT_TRUE(absl::IsNotFound(client_->UnmapRegion(5)));
  EXPECT_TRUE(client_->ClearRegion().ok());
  EXPECT_TRUE(client_->OpenNode()->valid());
}

// Descriptors that others of this user have under way make sendmsg fail.
TEST_F(RemoteDeviceTest, AnAnswerThatCannotBeSentLosesNothing) {
  ASSERT_TRUE(Connect().ok());
  const HostFault::Exempt device;
  uint64_t calls = 0;
  {
    const HostFault none({});
    EXPECT_TRUE(client_->OpenNode().ok());
    calls = none.calls();
  }
  for (const int error : {ETOOMANYREFS, ENOMEM, EMFILE}) {
    // The last is to answer.
    const HostFault fault({.first = calls - 1, .error = error});
    const absl::Status status = client_->OpenNode().status();
    EXPECT_EQ(fault.failed(), "sendmsg(0)");
    EXPECT_EQ(status.code(), ErrnoStatus(error, "").code()) << status;
  }
  EXPECT_TRUE(client_->OpenNode()->valid());
  EXPECT_FALSE(remote_->lost());
}

// Takes all descriptors that there may be. A lower limit alone would have
// sendmsg fail, too, where others of this user have as many under way.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    rlimit few = before_;
    few.rlim_cur = std::min<rlim_t>(before_.rlim_cur, 1 << 16);
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (;;) {
      Fd next(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
      if (!next.valid()) break;
      taken_.push_back(std::move(next));
    }
  }
  ~NoMoreDescriptors() { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }

 private:
  rlimit before_ = {};
  std::vector<Fd> taken_;
};

TEST_F(RemoteDeviceTest, AFileForWhichThereIsNoRoomLosesNothing) {
  ASSERT_TRUE(Connect().ok());
  const Fd memfd = *CreateMemfd("blob", 4096);
  absl::Status status;
  {
    const NoMoreDescriptors limit;
    status = client_->MapRegion(0, 4096, 0, memfd.get());
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_TRUE(client_->MapRegion(0, 4096, 0, memfd.get()).ok());
  EXPECT_FALSE(remote_->lost());
}

TEST_F(RemoteDeviceTest, CountersAreTheDevices) {
  ASSERT_TRUE(Connect().ok());
  EXPECT_EQ(remote_->Counters(), "counts");
}

}  // namespace
}  // namespace nacre::virtio
