#include "devices/virtio_gpu/testing/gpu_driver.h"

#include <utility>

#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

wire::CtrlHeader HeaderOf(const std::vector<uint8_t>& response) {
  CHECK_GE(response.size(), sizeof(wire::CtrlHeader));
  return *ByteReader(response).Read<wire::CtrlHeader>();
}

}  // namespace

VirtioGpu::Config GpuDriver::DefaultConfig() {
  VirtioGpu::Config config;
  config.num_scanouts = 2;
  config.width = 640;
  config.height = 480;
  config.window_bytes = 1 << 20;
  return config;
}

GpuDriver::GpuDriver(const VirtioGpu::Config& config,
                     const virtio::FakeDriver::Options& options) {
  auto sink = std::make_unique<HeadlessSink>();
  sink_ = sink.get();
  std::vector<std::unique_ptr<ContextType>> types;
  types.push_back(gpu_.CreateType());
  auto device = VirtioGpu::Create(config, std::move(types), std::move(sink));
  CHECK(device.ok()) << device.status();
  device_ = *std::move(device);
  driver_ = std::make_unique<virtio::FakeDriver>(device_.get(), options);
  const absl::Status started = driver_->Start();
  CHECK(started.ok()) << started;
}

wire::Type GpuDriver::Call(const Request& request) {
  const wire::CtrlHeader header =
      HeaderOf(CallBytes(request, sizeof(wire::CtrlHeader)));
  const wire::CtrlHeader& sent = request.header();
  CHECK_EQ(header.flags, sent.flags);
  CHECK_EQ(header.fence_id, sent.fence_id);
  CHECK_EQ(header.ctx_id, sent.ctx_id);
  CHECK_EQ(header.ring_idx, sent.ring_idx);
  return static_cast<wire::Type>(header.type);
}

std::vector<uint8_t> GpuDriver::CallBytes(const Request& request,
                                          uint32_t room) {
  return driver_->Call(wire::kControlQueue, request.bytes(), room);
}

uint16_t GpuDriver::Submit(const Request& request) {
  return driver_->queue(wire::kControlQueue)
      .Chain()
      .Readable(request.bytes())
      .Writable(sizeof(wire::CtrlHeader))
      .Submit();
}

void GpuDriver::Start(const Request& request) {
  Submit(request);
  Kick();
}

uint64_t GpuDriver::WaitFenceId() {
  const wire::CtrlHeader header =
      HeaderOf(driver_->WaitUsed(wire::kControlQueue).response);
  CHECK_NE(header.flags & wire::kFlagFence, 0u);
  return header.fence_id;
}

bool GpuDriver::Idle() {
  return !driver_->queue(wire::kControlQueue).PopUsed().has_value();
}

void GpuDriver::CreateContext(uint32_t ctx_id) {
  CheckType(wire::Type::kOkNodata,
            Call(CreateContextRequest(ctx_id, FakeGpu::kCapsetId)));
}

void GpuDriver::CreateHostBlob(uint32_t ctx_id, uint32_t resource_id,
                               uint64_t size) {
  CheckType(wire::Type::kOkNodata,
            Call(HostBlobRequest(ctx_id, resource_id, size)));
}

Request GpuDriver::Work(uint32_t ctx_id, uint8_t ring, uint64_t fence_id) {
  const FakeGpu::FakeCommand work = {FakeGpu::Op::kWork, ring};
  return SubmitRequest(ctx_id, AsBytes(work)).Fence(fence_id, ring);
}

void GpuDriver::CheckType(wire::Type expected, wire::Type found) {
  CHECK_EQ(static_cast<uint32_t>(expected), static_cast<uint32_t>(found));
}

}  // namespace nacre::virtio_gpu
