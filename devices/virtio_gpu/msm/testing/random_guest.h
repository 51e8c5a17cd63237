#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_RANDOM_GUEST_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_RANDOM_GUEST_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/mapping.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/guest.h"

namespace nacre::msm {

// A guest that does what a string of bytes says: commands of every kind with
// fields that often, but not always, make sense, between calls of the guest's
// kernel. The same bytes do the same again, so that a fuzzer can drive it and
// two runs can be compared.
class RandomGuest {
 public:
  struct Options {
    // Whether commands are gathered into streams or sent one by one.
    bool batched = true;
    // Whether lengths in headers may be wrong: this drops the rest of a stream.
    bool broken_framing = false;
    // Whether the driver's calls may fail.
    bool failures = false;
  };

  RandomGuest(virtio_gpu::ContextType& type, FakeDrmDevice& device,
              const Options& options);

  void Run(std::span<const uint8_t> bytes);

  // The control memory as the guest sees it; empty where it has none.
  std::span<const uint8_t> shmem() const { return shmem_.bytes(); }
  uint32_t last_seqno() const { return batch_.seqno(); }

 private:
  // Numbers from the bytes; zeros after their end.
  uint32_t Byte();
  uint32_t Word();
  uint32_t Below(uint32_t limit) { return Byte() % limit; }
  bool Rarely() { return Byte() < 8; }
  // A value below `limit`, rarely any word.
  uint32_t Mostly(uint32_t limit) { return Rarely() ? Word() : Below(limit); }
  // Mostly one that exists.
  uint32_t Resource();

  void Step();
  // What happens now and then, by a number below 18.
  void StepRarely(uint32_t kind);
  void AddCcmd(uint32_t cmd);
  void AddSubmit();
  void AddIoctl();
  void Add(uint32_t cmd, std::initializer_list<uint32_t> words,
           std::span<const uint8_t> tail = {});
  void BreakFraming();
  void CreateBlob(uint32_t resource_id, uint64_t blob_id, uint64_t size,
                  uint32_t flags);
  // A GEM_NEW in the other context.
  void MakeForeignObject(uint64_t blob_id, uint64_t size);
  // As many objects without a blob as there may be, and a few; then none.
  void CrowdBlobIds();
  // The other context ends, in the middle of a Submit, and a new one takes its
  // place, if it can be had.
  void RestartOther();
  void Flush();
  std::vector<uint8_t> Payload(uint32_t size);

  const Options options_;
  virtio_gpu::ContextType& type_;
  FakeDrmDevice& device_;
  std::unique_ptr<virtio_gpu::Context> context_;
  // Makes some of the resources; the first one imports them. May be null.
  std::unique_ptr<virtio_gpu::Context> other_;
  std::map<uint32_t, std::unique_ptr<virtio_gpu::Blob>> blobs_;
  std::set<uint32_t> foreign_;  // Those of blobs_ that are the other's.
  std::vector<Fd> fences_;
  Mapping shmem_;
  CcmdStream batch_;
  size_t batched_ = 0;
  uint32_t next_slot_ = 0;
  bool has_crowded_ = false;
  std::span<const uint8_t> input_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_RANDOM_GUEST_H_
