#ifndef NACRE_NACRE_HOSTILE_GUEST_GUEST_GPU_H_
#define NACRE_NACRE_HOSTILE_GUEST_GUEST_GPU_H_

#include <cstddef>
#include <cstdint>

#include "devices/virtio/split_ring.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::hostile_guest {

namespace wire = virtio_gpu::wire;

// struct virtio_pci_common_cfg (virtio 1.3, 4.1.4.3), offsets.
inline constexpr uint64_t kDeviceFeatureSelect = 0;
inline constexpr uint64_t kDriverFeatureSelect = 8;
inline constexpr uint64_t kDriverFeature = 12;
inline constexpr uint64_t kConfigVector = 16;
inline constexpr uint64_t kDeviceStatus = 20;
inline constexpr uint64_t kQueueSelect = 22;
inline constexpr uint64_t kQueueSize = 24;
inline constexpr uint64_t kQueueVector = 26;
inline constexpr uint64_t kQueueEnable = 28;
inline constexpr uint64_t kQueueDesc = 32;
inline constexpr uint64_t kQueueDriver = 40;
inline constexpr uint64_t kQueueDevice = 48;
inline constexpr uint64_t kCommonSize = 56;

inline constexpr uint8_t kNeedsReset = 0x40;
inline constexpr uint64_t kRegisterBarSize = 0x8000;
inline constexpr uint32_t kDevice = 1;  // On PCI bus 0.

// The simplest request.
inline constexpr wire::CtrlHeader kGetDisplayInfo = {
    static_cast<uint32_t>(wire::Type::kGetDisplayInfo), 0, 0, 0, 0, {}};

// A queue's rings, of which anything may write anything.
struct Rings {
  static constexpr uint16_t kSize = 16;

  alignas(4096) virtio::Descriptor descriptors[kSize];
  struct {
    uint16_t flags;
    uint16_t index;
    uint16_t heads[kSize];
    uint16_t used_event;
  } available;
  alignas(8) struct {
    uint16_t flags;
    uint16_t index;
    virtio::UsedElement elements[kSize];
    uint16_t available_event;
  } used;

  static constexpr uint64_t kBytes =
      sizeof(descriptors) + sizeof(available) + 8 + sizeof(used);
};

// How a call ended.
enum class Ending { kAnswered, kBroken, kTimedOut };

// The driver of the virtio-gpu function, well-behaved in itself, with its
// insides open for attacks.
class Gpu {
 public:
  // Finds the function and puts its BARs where this CPU can reach them. Also
  // puts everything back in its place after attacks.
  bool Probe();

  // The steps of 3.1.1, with both queues over our rings, their interrupts on.
  bool Start();
  // Whether the status reads 0 afterwards.
  bool Reset();

  // Has the control queue serve a request; the answer is then in answer().
  // Returns its type; 0 where there was none, and ending() says why.
  uint32_t Call(const void* request, size_t size, uint32_t room = 512);
  Ending ending() const { return ending_; }
  uint8_t* answer() { return answer_; }

  // The pieces of Call. Of the rings only the index of the available one is
  // remembered.
  void Describe(uint16_t index, uint64_t address, uint32_t length,
                uint16_t flags, uint16_t next, uint16_t queue = 0);
  void MakeAvailable(uint16_t head, uint16_t queue = 0);
  void Kick(uint16_t queue = 0);
  // Until the device has used all that is available in the queue, broke, or
  // did neither for long.
  Ending Wait(uint16_t queue = 0);
  // A glance.
  bool broken();

  // A request in memory of its own, ready for Describe.
  uint64_t Put(const void* request, size_t size);

  Rings& rings(uint16_t queue = 0) { return rings_[queue]; }
  uint64_t common() const { return common_; }
  uint64_t registers() const { return registers_; }
  uint64_t notify() const { return notify_; }
  uint64_t msix_table() const { return msix_table_; }
  uint64_t window() const { return window_; }
  uint64_t window_size() const { return window_size_; }
  uint8_t window_capability() const { return config_window_; }

  static constexpr size_t kRequestRoom = 4096;

 private:
  bool FindStructures();
  void ProgramMsix();
  bool SetUpQueue(uint16_t index);

  uint64_t registers_ = 0;  // BAR 0.
  uint64_t common_ = 0;
  uint64_t notify_ = 0;
  uint32_t notify_multiplier_ = 0;
  uint64_t msix_table_ = 0;
  uint8_t msix_capability_ = 0;
  uint8_t config_window_ = 0;
  uint64_t window_ = 0;
  uint64_t window_size_ = 0;
  Ending ending_ = Ending::kAnswered;
  uint16_t available_[2] = {};
  Rings rings_[2] = {};
  alignas(64) uint8_t request_[kRequestRoom] = {};
  alignas(64) uint8_t answer_[kRequestRoom] = {};
};

}  // namespace nacre::hostile_guest

#endif  // NACRE_NACRE_HOSTILE_GUEST_GUEST_GPU_H_
