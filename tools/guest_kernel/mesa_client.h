#ifndef NACRE_TOOLS_GUEST_KERNEL_MESA_CLIENT_H_
#define NACRE_TOOLS_GUEST_KERNEL_MESA_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "devices/virtio_gpu/msm/testing/guest.h"
#include "tools/guest_kernel/virtio_gpu_driver.h"

namespace nacre::guest_kernel {

// What Mesa's freedreno does with one open file, through the ioctls' lower
// half: control memory, synchronous requests, buffers, submissions. For tests
// and benchmarks; CHECKs. One thread.
class MesaClient {
 public:
  // The ring of work that the CPU does; a submitqueue's is its prio + 1.
  static constexpr uint32_t kCpuRing = 0;

  explicit MesaClient(VirtioGpuDriver* driver);
  ~MesaClient();

  Context& context() { return *context_; }

  // One more request for the next execbuffer.
  msm::CcmdStream& batch() { return batch_; }
  // SUBMIT_3D of the batch without a fence, as Mesa's asynchronous requests.
  void Flush();
  // With one, on `ring`.
  std::shared_ptr<Fence> FlushFenced(uint32_t ring);
  // A request with `room` bytes for its answer, waited for as Mesa does.
  std::vector<uint8_t> Call(uint32_t cmd, std::initializer_list<uint32_t> words,
                            std::span<const uint8_t> tail, uint32_t room);

  // SUBMITQUEUE_NEW of this prio.
  uint32_t NewQueue(uint32_t prio);

  // A buffer of its own GPU address, mapped.
  struct Buffer {
    std::shared_ptr<Blob> blob;
    uint64_t iova = 0;
    MappedBlob memory;

    std::atomic_ref<uint32_t> word(size_t index) const {
      return std::atomic_ref<uint32_t>(
          reinterpret_cast<uint32_t*>(memory.address)[index]);
    }
  };
  // GEM_NEW with RESOURCE_CREATE_BLOB, as one ioctl: waits for nothing. Nothing
  // is mapped into the program yet.
  Buffer NewBuffer(uint64_t size);
  // What mmap does.
  void Map(Buffer& buffer);
  void Close(Buffer buffer);

  // GEM_SUBMIT of `dwords` of `stream`, from its beginning, to `queue`, with
  // `others` as buffers that it may write: as a batch of its own.
  void AddSubmit(uint32_t queue, const Buffer& stream, uint32_t dwords,
                 std::span<const Buffer* const> others);

  // Head of the control memory.
  uint32_t seqno() const;
  uint32_t async_error() const;

 private:
  uint32_t ShmemWord(size_t offset) const;

  VirtioGpuDriver* const driver_;
  std::unique_ptr<Context> context_;
  std::shared_ptr<Blob> shmem_;
  uint8_t* shmem_memory_ = nullptr;
  uint32_t rsp_mem_offset_ = 0;
  msm::CcmdStream batch_;
  uint32_t next_blob_id_ = 2;
  uint64_t next_iova_ = uint64_t{1} << 32;
  uint32_t next_fence_ = 1;
};

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_MESA_CLIENT_H_
