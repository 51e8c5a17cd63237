#include "simulator/test_client.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "base/errno_status.h"
#include "glog/logging.h"

namespace nacre::simulator {

Stream& Stream::Command(Opcode opcode,
                        std::initializer_list<uint32_t> payload) {
  dwords_.push_back(
      EncodeCommand(opcode, static_cast<uint32_t>(payload.size())));
  return Raw(payload);
}

Stream& Stream::Registers(uint32_t first,
                          std::initializer_list<uint32_t> values) {
  dwords_.push_back(
      EncodeRegisterWrite(first, static_cast<uint32_t>(values.size())));
  return Raw(values);
}

Stream& Stream::Raw(std::initializer_list<uint32_t> dwords) {
  dwords_.insert(dwords_.end(), dwords);
  return *this;
}

Stream& Stream::Store(uint64_t iova, uint32_t value) {
  return Command(Opcode::kMemWrite, {Low(iova), High(iova), value});
}

Stream& Stream::Call(uint64_t iova, uint32_t dwords) {
  return Command(Opcode::kIndirectBuffer, {Low(iova), High(iova), dwords});
}

void ClientBuffer::Write(const Stream& stream, size_t at_dword) const {
  const std::vector<uint32_t>& from = stream.dwords();
  CHECK_LE(at_dword + from.size(), dwords().size());
  std::copy(from.begin(), from.end(), dwords().begin() + at_dword);
}

Client::Client(msm::DrmDevice& device)
    : file_(device.Open().value()),
      next_iova_(file_->GetParam(msm::MSM_PARAM_VA_START).value()) {}

ClientBuffer Client::NewBuffer(uint64_t size) {
  return Adopt(file_->GemNew(size, msm::MSM_BO_WC).value());
}

ClientBuffer Client::Import(const Fd& dmabuf) {
  return Adopt(file_->GemImport(dmabuf.get()).value());
}

void Client::Close(const ClientBuffer& buffer) {
  std::erase_if(listed_,
                [&](const auto& bo) { return bo.handle == buffer.handle; });
  CHECK(file_->GemSetIova(buffer.handle, 0).ok());
  CHECK(file_->GemClose(buffer.handle).ok());
}

ClientBuffer Client::Adopt(uint32_t handle) {
  ClientBuffer buffer;
  buffer.handle = handle;
  buffer.iova = next_iova_;
  const uint64_t whole = file_->GemGetSize(buffer.handle).value();
  next_iova_ += whole;
  CHECK(file_->GemSetIova(buffer.handle, buffer.iova).ok());
  const msm::GemMemory memory = file_->GemGetMemory(buffer.handle).value();
  buffer.mapping = Mapping::Shared(memory.fd, memory.offset, whole).value();
  listed_.push_back(
      {.flags = msm::MSM_SUBMIT_BO_READ | msm::MSM_SUBMIT_BO_WRITE,
       .handle = buffer.handle,
       .presumed = 0});
  return buffer;
}

absl::StatusOr<Fd> Client::TrySubmit(const ClientBuffer& commands,
                                     size_t dwords, uint32_t queue) {
  const auto listed = std::find_if(
      listed_.begin(), listed_.end(),
      [&](const auto& bo) { return bo.handle == commands.handle; });
  const msm::drm_msm_gem_submit_cmd command = {
      .type = msm::MSM_SUBMIT_CMD_BUF,
      .submit_idx = static_cast<uint32_t>(listed - listed_.begin()),
      .submit_offset = 0,
      .size = static_cast<uint32_t>(4 * dwords),
      .pad = 0,
      .nr_relocs = 0,
      .relocs = 0};
  return file_->GemSubmit({.flags = msm::MSM_PIPE_3D0,
                           .queue_id = queue,
                           .fence = ++fence_,
                           .bos = listed_,
                           .cmds = {&command, 1}});
}

Fd Client::Submit(const Stream& stream, uint32_t queue) {
  const ClientBuffer commands =
      NewBuffer(std::max<size_t>(4 * stream.dwords().size(), 4));
  commands.Write(stream);
  return TrySubmit(commands, stream.dwords().size(), queue).value();
}

void Client::SubmitAndWait(const Stream& stream, uint32_t queue) {
  WaitFor(Submit(stream, queue));
}

uint64_t Client::Faults() {
  return file_->GetParam(msm::MSM_PARAM_FAULTS).value();
}

bool Signalled(const Fd& fence) {
  pollfd entry = {.fd = fence.get(), .events = POLLIN, .revents = 0};
  return poll(&entry, 1, 0) == 1;
}

void WaitFor(const Fd& fence) {
  constexpr int kMilliseconds = 10'000;
  pollfd entry = {.fd = fence.get(), .events = POLLIN, .revents = 0};
  CHECK_EQ(poll(&entry, 1, kMilliseconds), 1) << "the fence never signals";
}

int ErrnoOf(const absl::Status& status) { return StatusErrno(status); }

}  // namespace nacre::simulator
