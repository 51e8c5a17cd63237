#include "simulator/simulated_device.h"

#include <dirent.h>

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulator/test_client.h"

namespace nacre::simulator {
namespace {

std::unique_ptr<SimulatedDevice> NewDevice(SimulatorConfig config = {}) {
  return SimulatedDevice::Create(config).value();
}

size_t OpenDescriptors() {
  size_t count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

size_t BufferMappings() {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("msm-gem") != std::string::npos) ++count;
  }
  return count;
}

TEST(SimulatedDeviceTest, UnknownChipErrorListsTheKnownOnes) {
  const absl::Status status =
      SimulatedDevice::Create({.chip = "a999"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(),
              testing::AllOf(testing::HasSubstr("a999"),
                             testing::HasSubstr("a630, a660, a730")));
}

TEST(SimulatedDeviceTest, SpeaksTheUapiOfLinux612) {
  const msm::DriverVersion version = NewDevice()->version();
  EXPECT_EQ(version.major, 1u);
  EXPECT_EQ(version.minor, 12u);
}

TEST(SimulatedDeviceTest, RunsASubmission) {
  const auto device = NewDevice();
  Client client(*device);
  const ClientBuffer target = client.NewBuffer();
  client.SubmitAndWait(Stream().Store(target.iova + 8, 42));
  EXPECT_EQ(target.dwords()[2], 42u);
  const SimulatorStats stats = device->stats();
  EXPECT_EQ(stats.submissions, 1u);
  EXPECT_EQ(stats.submissions_retired, 1u);
  EXPECT_EQ(stats.command_processor.memory_writes, 1u);
}

TEST(SimulatedDeviceTest, ClosingAllFilesLeavesNoDescriptorAndNoMapping) {
  const size_t descriptors = OpenDescriptors();
  ASSERT_EQ(BufferMappings(), 0u);
  const auto device = NewDevice();
  {
    Client first(*device);
    Client second(*device);
    const ClientBuffer shared = first.NewBuffer();
    const Fd dmabuf = first.file().GemExport(shared.handle).value();
    ASSERT_TRUE(second.file().GemImport(dmabuf.get()).ok());
    for (int i = 0; i < 20; ++i) {
      first.SubmitAndWait(Stream().Store(shared.iova, 1));
      const ClientBuffer own = second.NewBuffer(1 << 20);
      second.SubmitAndWait(Stream().Store(own.iova, 1));
    }
    EXPECT_GT(device->stats().buffers, 0u);
  }
  EXPECT_EQ(device->stats().buffers, 0u);
  EXPECT_EQ(device->stats().buffer_bytes, 0u);
  EXPECT_EQ(device->stats().files_open, 0u);
  EXPECT_EQ(BufferMappings(), 0u);
  // The GPU thread closes its end of a fence after it has woken the waiter.
  while (OpenDescriptors() != descriptors) continue;
}

TEST(SimulatedDeviceTest, DestructionSignalsFencesThatAreOut) {
  auto device = NewDevice({.hang_timeout = std::chrono::minutes(10)});
  auto client = std::make_unique<Client>(*device);
  const ClientBuffer flag = client->NewBuffer();
  const Fd running = client->Submit(Stream().Command(
      Opcode::kWaitMemGte, {0, Low(flag.iova), High(flag.iova), 1}));
  const Fd queued = client->Submit(Stream().Command(Opcode::kNop, {}));
  client.reset();
  device.reset();
  EXPECT_TRUE(Signalled(running));
  EXPECT_TRUE(Signalled(queued));
}

TEST(SimulatedDeviceTest, QueuedSubmissionsOfAClosedFileRunEmpty) {
  const auto device = NewDevice();
  Client other(*device);
  auto client = std::make_unique<Client>(*device);
  const ClientBuffer flag = client->NewBuffer();
  const ClientBuffer target = client->NewBuffer();
  const Fd running = client->Submit(
      Stream()
          .Command(Opcode::kWaitMemGte, {0, Low(flag.iova), High(flag.iova), 1})
          .Store(target.iova, 1));
  const Fd queued = client->Submit(Stream().Store(target.iova, 2));
  // The running one has begun once the GPU keeps others waiting.
  while (device->stats().submissions != 2) continue;
  client.reset();
  flag.dwords()[0] = 1;
  WaitFor(queued);
  EXPECT_NE(target.dwords()[0], 2u);
  EXPECT_EQ(device->stats().submissions_retired, 2u);
  // Others go on.
  const ClientBuffer mine = other.NewBuffer();
  other.SubmitAndWait(Stream().Store(mine.iova, 3));
  EXPECT_EQ(mine.dwords()[0], 3u);
}

}  // namespace
}  // namespace nacre::simulator
