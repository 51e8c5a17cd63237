#ifndef NACRE_DEVICES_VIRTIO_GPU_WIRE_H_
#define NACRE_DEVICES_VIRTIO_GPU_WIRE_H_

#include <cstddef>
#include <cstdint>

// The virtio-gpu wire: structures and numbers of virtio 1.3, section 5.7, with
// the names of the spec (and of linux/virtio_gpu.h). Little-endian, as all
// hosts here. Bytes only: command.h says what they mean.
namespace nacre::virtio_gpu::wire {

inline constexpr uint16_t kDeviceId = 16;
inline constexpr uint16_t kControlQueue = 0;
inline constexpr uint16_t kCursorQueue = 1;
inline constexpr uint32_t kMaxScanouts = 16;
inline constexpr uint32_t kMaxRings = 64;
inline constexpr uint32_t kMaxCapsetId = 63;
inline constexpr uint8_t kShmIdHostVisible = 1;
inline constexpr uint32_t kCapsetIdMask = 0xff;  // Of CtxCreate.context_init.

// 5.7.3, feature bits.
inline constexpr uint64_t kFeatureVirgl = 1ull << 0;
inline constexpr uint64_t kFeatureEdid = 1ull << 1;
inline constexpr uint64_t kFeatureResourceUuid = 1ull << 2;
inline constexpr uint64_t kFeatureResourceBlob = 1ull << 3;
inline constexpr uint64_t kFeatureContextInit = 1ull << 4;
inline constexpr uint64_t kFeatureBlobAlignment = 1ull << 5;  // virtio 1.4.

// 5.7.4, device configuration.
struct Config {
  uint32_t events_read;
  uint32_t events_clear;
  uint32_t num_scanouts;
  uint32_t num_capsets;
  // In bytes, a power of two; with kFeatureBlobAlignment only.
  uint32_t blob_alignment;
};
static_assert(sizeof(Config) == 20);
static_assert(offsetof(Config, blob_alignment) == 16);
inline constexpr uint32_t kEventDisplay = 1u << 0;

// 5.7.6.7, control types.
enum class Type : uint32_t {
  kGetDisplayInfo = 0x0100,
  kResourceCreate2d,
  kResourceUnref,
  kSetScanout,
  kResourceFlush,
  kTransferToHost2d,
  kResourceAttachBacking,
  kResourceDetachBacking,
  kGetCapsetInfo,
  kGetCapset,
  kGetEdid,
  kResourceAssignUuid,
  kResourceCreateBlob,
  kSetScanoutBlob,

  kCtxCreate = 0x0200,
  kCtxDestroy,
  kCtxAttachResource,
  kCtxDetachResource,
  kResourceCreate3d,
  kTransferToHost3d,
  kTransferFromHost3d,
  kSubmit3d,
  kResourceMapBlob,
  kResourceUnmapBlob,

  kUpdateCursor = 0x0300,
  kMoveCursor,

  kOkNodata = 0x1100,
  kOkDisplayInfo,
  kOkCapsetInfo,
  kOkCapset,
  kOkEdid,
  kOkResourceUuid,
  kOkMapInfo,

  kErrUnspec = 0x1200,
  kErrOutOfMemory,
  kErrInvalidScanoutId,
  kErrInvalidResourceId,
  kErrInvalidContextId,
  kErrInvalidParameter,
};
static_assert(static_cast<uint32_t>(Type::kSetScanoutBlob) == 0x010d);
static_assert(static_cast<uint32_t>(Type::kResourceUnmapBlob) == 0x0209);
static_assert(static_cast<uint32_t>(Type::kMoveCursor) == 0x0301);
static_assert(static_cast<uint32_t>(Type::kOkMapInfo) == 0x1106);
static_assert(static_cast<uint32_t>(Type::kErrInvalidParameter) == 0x1205);

// Of every request and response.
struct CtrlHeader {
  uint32_t type;
  uint32_t flags;
  uint64_t fence_id;
  uint32_t ctx_id;
  uint8_t ring_idx;
  uint8_t padding[3];
};
static_assert(sizeof(CtrlHeader) == 24);
static_assert(offsetof(CtrlHeader, ring_idx) == 20);
inline constexpr uint32_t kFlagFence = 1u << 0;
inline constexpr uint32_t kFlagInfoRingIdx = 1u << 1;

struct Rect {
  uint32_t x;
  uint32_t y;
  uint32_t width;
  uint32_t height;
};
static_assert(sizeof(Rect) == 16);

struct Box {
  uint32_t x, y, z;
  uint32_t w, h, d;
};
static_assert(sizeof(Box) == 24);

struct MemEntry {
  uint64_t addr;
  uint32_t length;
  uint32_t padding;
};
static_assert(sizeof(MemEntry) == 16);

// Requests: what follows the header.

// RESOURCE_UNREF, RESOURCE_DETACH_BACKING, RESOURCE_ASSIGN_UUID,
// CTX_ATTACH_RESOURCE, CTX_DETACH_RESOURCE, RESOURCE_UNMAP_BLOB.
struct ResourceId {
  uint32_t resource_id;
  uint32_t padding;
};
static_assert(sizeof(ResourceId) == 8);

struct ResourceCreate2d {
  uint32_t resource_id;
  uint32_t format;
  uint32_t width;
  uint32_t height;
};
static_assert(sizeof(ResourceCreate2d) == 16);

struct SetScanout {
  Rect r;
  uint32_t scanout_id;
  uint32_t resource_id;
};
static_assert(sizeof(SetScanout) == 24);

struct ResourceFlush {
  Rect r;
  uint32_t resource_id;
  uint32_t padding;
};
static_assert(sizeof(ResourceFlush) == 24);

struct TransferToHost2d {
  Rect r;
  uint64_t offset;
  uint32_t resource_id;
  uint32_t padding;
};
static_assert(sizeof(TransferToHost2d) == 32);

// Followed by nr_entries MemEntry.
struct ResourceAttachBacking {
  uint32_t resource_id;
  uint32_t nr_entries;
};
static_assert(sizeof(ResourceAttachBacking) == 8);

struct GetCapsetInfo {
  uint32_t capset_index;
  uint32_t padding;
};
static_assert(sizeof(GetCapsetInfo) == 8);

struct GetCapset {
  uint32_t capset_id;
  uint32_t capset_version;
};
static_assert(sizeof(GetCapset) == 8);

struct GetEdid {
  uint32_t scanout;
  uint32_t padding;
};
static_assert(sizeof(GetEdid) == 8);

enum class BlobMem : uint32_t { kGuest = 1, kHost3d = 2, kHost3dGuest = 3 };
inline constexpr uint32_t kBlobFlagUseMappable = 1u << 0;
inline constexpr uint32_t kBlobFlagUseShareable = 1u << 1;
inline constexpr uint32_t kBlobFlagUseCrossDevice = 1u << 2;

// Followed by nr_entries MemEntry.
struct ResourceCreateBlob {
  uint32_t resource_id;
  uint32_t blob_mem;
  uint32_t blob_flags;
  uint32_t nr_entries;
  uint64_t blob_id;
  uint64_t size;
};
static_assert(sizeof(ResourceCreateBlob) == 32);

struct SetScanoutBlob {
  Rect r;
  uint32_t scanout_id;
  uint32_t resource_id;
  uint32_t width;
  uint32_t height;
  uint32_t format;
  uint32_t padding;
  uint32_t strides[4];
  uint32_t offsets[4];
};
static_assert(sizeof(SetScanoutBlob) == 72);

struct CtxCreate {
  uint32_t nlen;
  uint32_t context_init;
  char debug_name[64];
};
static_assert(sizeof(CtxCreate) == 72);

struct ResourceCreate3d {
  uint32_t resource_id;
  uint32_t target;
  uint32_t format;
  uint32_t bind;
  uint32_t width;
  uint32_t height;
  uint32_t depth;
  uint32_t array_size;
  uint32_t last_level;
  uint32_t nr_samples;
  uint32_t flags;
  uint32_t padding;
};
static_assert(sizeof(ResourceCreate3d) == 48);

// TRANSFER_TO_HOST_3D, TRANSFER_FROM_HOST_3D.
struct TransferHost3d {
  Box box;
  uint64_t offset;
  uint32_t resource_id;
  uint32_t level;
  uint32_t stride;
  uint32_t layer_stride;
};
static_assert(sizeof(TransferHost3d) == 48);

// Followed by `size` bytes.
struct Submit3d {
  uint32_t size;
  uint32_t padding;
};
static_assert(sizeof(Submit3d) == 8);

struct ResourceMapBlob {
  uint32_t resource_id;
  uint32_t padding;
  uint64_t offset;
};
static_assert(sizeof(ResourceMapBlob) == 16);

// UPDATE_CURSOR, MOVE_CURSOR.
struct Cursor {
  uint32_t scanout_id;
  uint32_t x;
  uint32_t y;
  uint32_t padding0;
  uint32_t resource_id;
  uint32_t hot_x;
  uint32_t hot_y;
  uint32_t padding1;
};
static_assert(sizeof(Cursor) == 32);

// Responses: what follows the header.

struct DisplayInfo {
  struct Mode {
    Rect r;
    uint32_t enabled;
    uint32_t flags;
  } modes[kMaxScanouts];
};
static_assert(sizeof(DisplayInfo) == 384);

struct CapsetInfo {
  uint32_t capset_id;
  uint32_t capset_max_version;
  uint32_t capset_max_size;
  uint32_t padding;
};
static_assert(sizeof(CapsetInfo) == 16);

struct Edid {
  uint32_t size;
  uint32_t padding;
  uint8_t edid[1024];
};
static_assert(sizeof(Edid) == 1032);

struct ResourceUuid {
  uint8_t uuid[16];
};
static_assert(sizeof(ResourceUuid) == 16);

struct MapInfo {
  uint32_t map_info;
  uint32_t padding;
};
static_assert(sizeof(MapInfo) == 8);

}  // namespace nacre::virtio_gpu::wire

#endif  // NACRE_DEVICES_VIRTIO_GPU_WIRE_H_
