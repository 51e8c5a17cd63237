#ifndef NACRE_NACRE_HOSTILE_GUEST_GUEST_MSM_H_
#define NACRE_NACRE_HOSTILE_GUEST_GUEST_MSM_H_

#include <cstddef>
#include <cstdint>

#include "devices/virtio_gpu/msm/wire.h"
#include "nacre/hostile_guest/guest/attacks.h"

namespace nacre::hostile_guest {

inline constexpr uint32_t kContext = 1;
inline constexpr uint32_t kControlResource = 1;
inline constexpr uint32_t kBufferResource = 2;
// Also their distance in the window.
inline constexpr uint64_t kBlobSize = 0x10000;

// Requests as they lie in memory.
struct SubmitRequest {
  static constexpr uint32_t kMaxBytes = 2048;
  wire::CtrlHeader header;
  wire::Submit3d submit;
  uint8_t ccmds[kMaxBytes];
};
struct BlobRequest {
  wire::CtrlHeader header;
  wire::ResourceCreateBlob blob;
};
struct MapRequest {
  wire::CtrlHeader header;
  wire::ResourceMapBlob map;
};
struct ResourceRequest {
  wire::CtrlHeader header;
  wire::ResourceId id;
};

wire::CtrlHeader Header(wire::Type type, uint32_t context = 0);
BlobRequest CreateBlob(uint32_t resource, uint64_t blob_id, uint64_t size);
MapRequest Map(uint32_t resource, uint64_t offset);
ResourceRequest OnResource(wire::Type type, uint32_t resource);

// The stream of a SUBMIT_3D, one ccmd behind the other.
class Stream {
 public:
  Stream();
  // A ccmd of `words` u32 behind its header, whose space it returns; null where
  // there is no room.
  uint32_t* Add(uint32_t cmd, uint32_t words);
  const SubmitRequest& request() const { return request_; }
  size_t size() const;
  uint32_t commands() const { return seqno_; }

 private:
  SubmitRequest request_;
  uint32_t seqno_ = 0;
};

// What Mesa does first: a context with its control memory at the window's start
// and a mapped buffer behind it. All of it must succeed.
void MakeMsmContext(Attacker& attacker);
// Fills the start of the mapped buffer with packets that do nothing.
void FillBuffer(Attacker& attacker);
inline constexpr uint32_t kStreamDwords = 64;
// GEM_SUBMIT of those, as Mesa's but for its fence number.
void AddSubmit(Stream& stream, uint32_t fence);
// The ring on which its queue runs.
inline constexpr uint8_t kRing = 2;
// A ccmd of a random kind, its fields such that half of them make sense.
void AddRandomCcmd(Stream& stream, Random& random);

}  // namespace nacre::hostile_guest

#endif  // NACRE_NACRE_HOSTILE_GUEST_GUEST_MSM_H_
