#include "devices/virtio_gpu/command.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/page_size.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/error.h"

namespace nacre::virtio_gpu {
namespace {

using wire::Type;

template <WireType T>
absl::StatusOr<T> ReadFixed(ByteReader& reader) {
  const std::optional<T> value = reader.Read<T>();
  if (!value) {
    return absl::InvalidArgumentError(
        absl::StrCat("request too short: its fixed part needs ", sizeof(T),
                     " bytes behind the header, found ", reader.remaining()));
  }
  return *value;
}

absl::StatusOr<uint32_t> NewResourceId(uint32_t id) {
  if (id == 0) return ResourceIdError(id, "cannot be created: 0 means none");
  return id;
}

absl::StatusOr<PixelFormat> ParseFormat(uint32_t value) {
  switch (const auto format = static_cast<PixelFormat>(value); format) {
    case PixelFormat::kB8G8R8A8:
    case PixelFormat::kB8G8R8X8:
    case PixelFormat::kA8R8G8B8:
    case PixelFormat::kX8R8G8B8:
    case PixelFormat::kR8G8B8A8:
    case PixelFormat::kX8B8G8R8:
    case PixelFormat::kA8B8G8R8:
    case PixelFormat::kR8G8B8X8:
      return format;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("format ", value, " is not a VIRTIO_GPU_FORMAT"));
}

absl::Status CheckDimensions(uint32_t width, uint32_t height,
                             const Limits& limits) {
  if (width == 0 || height == 0 || width > limits.max_image_dimension ||
      height > limits.max_image_dimension) {
    return absl::InvalidArgumentError(
        absl::StrCat("image of ", width, "x", height,
                     " pixels: sides are 1 to ", limits.max_image_dimension));
  }
  return absl::OkStatus();
}

absl::StatusOr<Rectangle> ParseRectangle(const wire::Rect& r) {
  if (r.width == 0 || r.height == 0 || !CheckedAdd(r.x, r.width) ||
      !CheckedAdd(r.y, r.height)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rectangle of ", r.width, "x", r.height, " at ", r.x, ",",
                     r.y, ": empty, or its end overflows"));
  }
  return Rectangle{r.x, r.y, r.width, r.height};
}

// The count is checked against the limit and against what is there before
// anything is allocated for it.
absl::StatusOr<GuestRanges> ReadEntries(ByteReader& reader, uint32_t count,
                                        const Limits& limits) {
  if (count > limits.max_mem_entries) {
    return absl::ResourceExhaustedError(absl::StrCat(
        count, " memory entries: at most ", limits.max_mem_entries));
  }
  const auto bytes = reader.ReadBytes(count * sizeof(wire::MemEntry));
  if (!bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        count, " memory entries claimed in ", reader.remaining(), " bytes"));
  }
  ByteReader entries(*bytes);
  GuestRanges ranges;
  ranges.reserve(count);
  while (const auto entry = entries.Read<wire::MemEntry>()) {
    if (!CheckedAdd(entry->addr, entry->length)) {
      return absl::InvalidArgumentError("a memory entry wraps around");
    }
    if (entry->length != 0) ranges.push_back({entry->addr, entry->length});
  }
  return ranges;
}

// Cannot overflow: 2^32 ranges of 2^32 bytes.
uint64_t TotalSize(const GuestRanges& ranges) {
  uint64_t total = 0;
  for (const virtio::GuestRange& range : ranges) total += range.length;
  return total;
}

absl::StatusOr<Command> DecodeCreate2d(ByteReader& reader,
                                       const Limits& limits) {
  ASSIGN_OR_RETURN(const auto wire, ReadFixed<wire::ResourceCreate2d>(reader));
  ASSIGN_OR_RETURN(const uint32_t id, NewResourceId(wire.resource_id));
  ASSIGN_OR_RETURN(const PixelFormat format, ParseFormat(wire.format));
  RETURN_IF_ERROR(CheckDimensions(wire.width, wire.height, limits));
  return ResourceCreate2d{id, format, wire.width, wire.height};
}

absl::StatusOr<Command> DecodeAttachBacking(ByteReader& reader,
                                            const Limits& limits) {
  ASSIGN_OR_RETURN(const auto wire,
                   ReadFixed<wire::ResourceAttachBacking>(reader));
  ASSIGN_OR_RETURN(GuestRanges entries,
                   ReadEntries(reader, wire.nr_entries, limits));
  return ResourceAttachBacking{wire.resource_id, std::move(entries)};
}

absl::StatusOr<Command> DecodeTransferToHost2d(ByteReader& reader) {
  ASSIGN_OR_RETURN(const auto wire, ReadFixed<wire::TransferToHost2d>(reader));
  ASSIGN_OR_RETURN(const Rectangle rect, ParseRectangle(wire.r));
  return TransferToHost2d{rect, wire.offset, wire.resource_id};
}

absl::StatusOr<Command> DecodeSetScanout(ByteReader& reader) {
  ASSIGN_OR_RETURN(const auto wire, ReadFixed<wire::SetScanout>(reader));
  if (wire.resource_id == 0) return SetScanout{{}, wire.scanout_id, 0};
  ASSIGN_OR_RETURN(const Rectangle rect, ParseRectangle(wire.r));
  return SetScanout{rect, wire.scanout_id, wire.resource_id};
}

absl::StatusOr<Command> DecodeSetScanoutBlob(ByteReader& reader,
                                             const Limits& limits) {
  ASSIGN_OR_RETURN(const auto wire, ReadFixed<wire::SetScanoutBlob>(reader));
  SetScanoutBlob command = {};
  command.scanout_id = wire.scanout_id;
  if (wire.resource_id == 0) return command;
  command.resource_id = wire.resource_id;
  ASSIGN_OR_RETURN(command.format, ParseFormat(wire.format));
  RETURN_IF_ERROR(CheckDimensions(wire.width, wire.height, limits));
  command.width = wire.width;
  command.height = wire.height;
  ASSIGN_OR_RETURN(command.rect, ParseRectangle(wire.r));
  if (!RangeFits(wire.r.x, wire.r.width, wire.width) ||
      !RangeFits(wire.r.y, wire.r.height, wire.height)) {
    return absl::InvalidArgumentError(
        "the scanout's rectangle leaves the framebuffer");
  }
  const uint64_t row_bytes = uint64_t{wire.width} * kBytesPerPixel;
  command.stride = wire.strides[0];
  command.offset = wire.offsets[0];
  if (command.stride < row_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("stride ", command.stride, " for rows of ", row_bytes));
  }
  // Below 2^32 + 2^14 * 2^32 + 2^16.
  command.end_offset = uint64_t{command.offset} +
                       uint64_t{wire.height - 1} * command.stride + row_bytes;
  return command;
}

absl::StatusOr<Command> DecodeFlush(ByteReader& reader) {
  ASSIGN_OR_RETURN(const auto wire, ReadFixed<wire::ResourceFlush>(reader));
  ASSIGN_OR_RETURN(const Rectangle rect, ParseRectangle(wire.r));
  return ResourceFlush{rect, wire.resource_id};
}

absl::StatusOr<Command> DecodeCreateBlob(ByteReader& reader,
                                         const Limits& limits) {
  ASSIGN_OR_RETURN(const auto wire,
                   ReadFixed<wire::ResourceCreateBlob>(reader));
  ASSIGN_OR_RETURN(const uint32_t id, NewResourceId(wire.resource_id));
  const auto mem = static_cast<wire::BlobMem>(wire.blob_mem);
  if (mem != wire::BlobMem::kGuest && mem != wire::BlobMem::kHost3d &&
      mem != wire::BlobMem::kHost3dGuest) {
    return absl::InvalidArgumentError(
        absl::StrCat("blob_mem ", wire.blob_mem, " is none of 1, 2, 3"));
  }
  constexpr uint32_t kKnownFlags = wire::kBlobFlagUseMappable |
                                   wire::kBlobFlagUseShareable |
                                   wire::kBlobFlagUseCrossDevice;
  if ((wire.blob_flags & ~kKnownFlags) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown blob_flags ", wire.blob_flags));
  }
  if (wire.size == 0 || !IsAligned(wire.size, kSmallestPageSize) ||
      wire.size > limits.max_blob_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("blob of ", wire.size,
                                                   " bytes: whole pages up to ",
                                                   limits.max_blob_bytes));
  }
  if (mem == wire::BlobMem::kHost3d && wire.nr_entries != 0) {
    return absl::InvalidArgumentError("a HOST3D blob with memory entries");
  }
  ResourceCreateBlob command;
  command.mem = mem;
  command.request = {
      .resource_id = id,
      .blob_id = wire.blob_id,
      .size = wire.size,
      .mappable = (wire.blob_flags & wire::kBlobFlagUseMappable) != 0,
      .shareable = (wire.blob_flags & wire::kBlobFlagUseShareable) != 0,
      .cross_device = (wire.blob_flags & wire::kBlobFlagUseCrossDevice) != 0,
  };
  ASSIGN_OR_RETURN(command.entries,
                   ReadEntries(reader, wire.nr_entries, limits));
  if (mem != wire::BlobMem::kHost3d && TotalSize(command.entries) < wire.size) {
    return absl::InvalidArgumentError(
        absl::StrCat("blob of ", wire.size, " bytes in memory entries of ",
                     TotalSize(command.entries)));
  }
  return command;
}

absl::StatusOr<Command> DecodeCtxCreate(ByteReader& reader, uint64_t features) {
  ASSIGN_OR_RETURN(const auto wire, ReadFixed<wire::CtxCreate>(reader));
  CtxCreate command = {};
  // The field is padding without CONTEXT_INIT.
  if ((features & wire::kFeatureContextInit) != 0) {
    if ((wire.context_init & ~wire::kCapsetIdMask) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown bits in context_init ", wire.context_init));
    }
    command.capset_id = wire.context_init;
  }
  command.name.assign(wire.debug_name,
                      std::min<size_t>(wire.nlen, sizeof wire.debug_name));
  return command;
}

absl::StatusOr<Submit3d> ReadSubmit3d(ByteReader& reader,
                                      const Limits& limits) {
  ASSIGN_OR_RETURN(const auto wire, ReadFixed<wire::Submit3d>(reader));
  if (wire.size > limits.max_submit_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("SUBMIT_3D of ", wire.size,
                                                     " bytes: at most ",
                                                     limits.max_submit_bytes));
  }
  const auto commands = reader.ReadBytes(wire.size);
  if (!commands) {
    return absl::InvalidArgumentError(absl::StrCat(
        "SUBMIT_3D of ", wire.size, " bytes, found ", reader.remaining()));
  }
  return Submit3d{*commands};
}

template <typename T>
absl::StatusOr<Command> DecodeResourceId(ByteReader& reader) {
  ASSIGN_OR_RETURN(const auto wire, ReadFixed<wire::ResourceId>(reader));
  return T{wire.resource_id};
}

template <typename T, typename Wire>
absl::StatusOr<Command> DecodePlain(ByteReader& reader) {
  ASSIGN_OR_RETURN(const auto wire, ReadFixed<Wire>(reader));
  return T{wire};
}

absl::StatusOr<Command> DecodeControl(Type type, ByteReader& reader,
                                      uint64_t features, const Limits& limits) {
  switch (type) {
    case Type::kGetDisplayInfo:
      return GetDisplayInfo{};
    case Type::kResourceCreate2d:
      return DecodeCreate2d(reader, limits);
    case Type::kResourceUnref:
      return DecodeResourceId<ResourceUnref>(reader);
    case Type::kSetScanout:
      return DecodeSetScanout(reader);
    case Type::kResourceFlush:
      return DecodeFlush(reader);
    case Type::kTransferToHost2d:
      return DecodeTransferToHost2d(reader);
    case Type::kResourceAttachBacking:
      return DecodeAttachBacking(reader, limits);
    case Type::kResourceDetachBacking:
      return DecodeResourceId<ResourceDetachBacking>(reader);
    case Type::kGetCapsetInfo: {
      ASSIGN_OR_RETURN(const auto wire, ReadFixed<wire::GetCapsetInfo>(reader));
      return GetCapsetInfo{wire.capset_index};
    }
    case Type::kGetCapset: {
      ASSIGN_OR_RETURN(const auto wire, ReadFixed<wire::GetCapset>(reader));
      return GetCapset{wire.capset_id, wire.capset_version};
    }
    case Type::kGetEdid: {
      ASSIGN_OR_RETURN(const auto wire, ReadFixed<wire::GetEdid>(reader));
      return GetEdid{wire.scanout};
    }
    case Type::kResourceAssignUuid:
      return DecodeResourceId<ResourceAssignUuid>(reader);
    case Type::kResourceCreateBlob:
      return DecodeCreateBlob(reader, limits);
    case Type::kSetScanoutBlob:
      return DecodeSetScanoutBlob(reader, limits);
    case Type::kCtxCreate:
      return DecodeCtxCreate(reader, features);
    case Type::kCtxDestroy:
      return CtxDestroy{};
    case Type::kCtxAttachResource:
      return DecodeResourceId<CtxAttachResource>(reader);
    case Type::kCtxDetachResource:
      return DecodeResourceId<CtxDetachResource>(reader);
    case Type::kResourceCreate3d:
      return DecodePlain<ResourceCreate3d, wire::ResourceCreate3d>(reader);
    case Type::kTransferToHost3d:
      return DecodePlain<TransferToHost3d, wire::TransferHost3d>(reader);
    case Type::kTransferFromHost3d:
      return DecodePlain<TransferFromHost3d, wire::TransferHost3d>(reader);
    case Type::kSubmit3d:
      return ReadSubmit3d(reader, limits);
    case Type::kResourceMapBlob: {
      ASSIGN_OR_RETURN(const auto wire,
                       ReadFixed<wire::ResourceMapBlob>(reader));
      return ResourceMapBlob{wire.resource_id, wire.offset};
    }
    case Type::kResourceUnmapBlob:
      return DecodeResourceId<ResourceUnmapBlob>(reader);
    default:
      return absl::UnimplementedError("not a command of the control queue");
  }
}

absl::StatusOr<Command> DecodeCursor(Type type, ByteReader& reader) {
  if (type != Type::kUpdateCursor && type != Type::kMoveCursor) {
    return absl::UnimplementedError("not a command of the cursor queue");
  }
  ASSIGN_OR_RETURN(const auto wire, ReadFixed<wire::Cursor>(reader));
  if (type == Type::kMoveCursor) {
    return MoveCursor{wire.scanout_id, wire.x, wire.y};
  }
  return UpdateCursor{wire.scanout_id,  wire.x,     wire.y,
                      wire.resource_id, wire.hot_x, wire.hot_y};
}

// 5.7.3: the feature that a command belongs to; 0 for the basic ones.
uint64_t RequiredFeature(Type type) {
  switch (type) {
    case Type::kGetCapsetInfo:
    case Type::kGetCapset:
    case Type::kCtxCreate:
    case Type::kCtxDestroy:
    case Type::kCtxAttachResource:
    case Type::kCtxDetachResource:
    case Type::kResourceCreate3d:
    case Type::kTransferToHost3d:
    case Type::kTransferFromHost3d:
    case Type::kSubmit3d:
      return wire::kFeatureVirgl;
    case Type::kGetEdid:
      return wire::kFeatureEdid;
    case Type::kResourceAssignUuid:
      return wire::kFeatureResourceUuid;
    case Type::kResourceCreateBlob:
    case Type::kSetScanoutBlob:
    case Type::kResourceMapBlob:
    case Type::kResourceUnmapBlob:
      return wire::kFeatureResourceBlob;
    default:
      return 0;
  }
}

absl::Status NeedsFeature(uint64_t feature) {
  return absl::UnimplementedError(absl::StrCat(
      "needs feature bits ", feature, ", which the driver did not accept"));
}

}  // namespace

size_t MaxBodySize(Type type, const Limits& limits) {
  const size_t entries =
      size_t{limits.max_mem_entries} * sizeof(wire::MemEntry);
  switch (type) {
    case Type::kResourceAttachBacking:
      return sizeof(wire::ResourceAttachBacking) + entries;
    case Type::kResourceCreateBlob:
      return sizeof(wire::ResourceCreateBlob) + entries;
    case Type::kSubmit3d:
      return sizeof(wire::Submit3d) + limits.max_submit_bytes;
    default:
      // The largest of the fixed ones.
      return std::max(sizeof(wire::SetScanoutBlob), sizeof(wire::CtxCreate));
  }
}

absl::StatusOr<Command> DecodeCommand(QueueKind queue,
                                      const CommandHeader& header,
                                      std::span<const uint8_t> body,
                                      uint64_t features, const Limits& limits) {
  if (const uint64_t feature = RequiredFeature(header.type());
      (features & feature) != feature) {
    return NeedsFeature(feature);
  }
  ByteReader reader(body);
  return queue == QueueKind::kControl
             ? DecodeControl(header.type(), reader, features, limits)
             : DecodeCursor(header.type(), reader);
}

}  // namespace nacre::virtio_gpu
