#ifndef NACRE_SIMULATOR_TEST_CLIENT_H_
#define NACRE_SIMULATOR_TEST_CLIENT_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/mapping.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "simulator/pm4.h"
#include "simulator/simulated_device.h"

namespace nacre::simulator {

// Builds PM4 as a driver does.
class Stream {
 public:
  Stream& Command(Opcode opcode, std::initializer_list<uint32_t> payload);
  Stream& Registers(uint32_t first, std::initializer_list<uint32_t> values);
  Stream& Raw(std::initializer_list<uint32_t> dwords);
  // MEM_WRITE of one dword; INDIRECT_BUFFER.
  Stream& Store(uint64_t iova, uint32_t value);
  Stream& Call(uint64_t iova, uint32_t dwords);

  const std::vector<uint32_t>& dwords() const { return dwords_; }

 private:
  std::vector<uint32_t> dwords_;
};

constexpr uint32_t Low(uint64_t value) { return static_cast<uint32_t>(value); }
constexpr uint32_t High(uint64_t value) {
  return static_cast<uint32_t>(value >> 32);
}

// A buffer with an address on the GPU and a mapping on the CPU.
struct ClientBuffer {
  uint32_t handle = 0;
  uint64_t iova = 0;
  Mapping mapping;

  std::span<uint32_t> dwords() const {
    return {reinterpret_cast<uint32_t*>(mapping.data()), mapping.size() / 4};
  }
  void Write(const Stream& stream, size_t at_dword = 0) const;
};

// A process that uses a GPU through an open file. Crashes where the driver
// answers with an error that no test expects.
class Client {
 public:
  explicit Client(msm::DrmDevice& device);

  msm::DrmFile& file() { return *file_; }
  // Closes the file, as the end of the process would.
  void Exit() { file_.reset(); }

  ClientBuffer NewBuffer(uint64_t size = 4096);
  ClientBuffer Import(const Fd& dmabuf);
  // Releases address and handle, as Mesa does.
  void Close(const ClientBuffer& buffer);
  // Submits the first `dwords` of `commands`, all buffers of this file listed.
  absl::StatusOr<Fd> TrySubmit(const ClientBuffer& commands, size_t dwords,
                               uint32_t queue = 0);
  // Puts the stream into a buffer of its own and submits it.
  Fd Submit(const Stream& stream, uint32_t queue = 0);
  void SubmitAndWait(const Stream& stream, uint32_t queue = 0);

  uint32_t last_fence() const { return fence_; }
  uint64_t Faults();

 private:
  ClientBuffer Adopt(uint32_t handle);

  std::unique_ptr<msm::DrmFile> file_;
  std::vector<msm::drm_msm_gem_submit_bo> listed_;
  uint64_t next_iova_;
  uint32_t fence_ = 0;
};

// Whether the fence has signalled; WaitFor returns once it has, and crashes
// after ten seconds.
bool Signalled(const Fd& fence);
void WaitFor(const Fd& fence);

// The errno that a call answered.
int ErrnoOf(const absl::Status& status);
template <typename T>
int ErrnoOf(const absl::StatusOr<T>& result) {
  return ErrnoOf(result.status());
}

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_TEST_CLIENT_H_
