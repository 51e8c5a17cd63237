#include <utility>

#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "devices/virtio_gpu/wire.h"
#include "tools/guest_kernel/virtio_gpu_driver.h"

namespace nacre::guest_kernel {
namespace {

namespace wire = virtio_gpu::wire;
using wire::Type;

constexpr uint32_t kMapCacheMask = 0x0f;

}  // namespace

// Where a blob is in the window, and what the device answered to MAP_BLOB. Free
// again when nobody holds it: neither the blob nor its UNREF.
class Blob::Place : public ResponseHandler {
 public:
  Place(WindowAllocator* allocator, uint64_t offset, uint64_t size)
      : allocator_(allocator), offset_(offset), size_(size) {}
  ~Place() override { allocator_->Free(offset_, size_); }

  void OnResponse(std::span<const uint8_t> response) override {
    ByteReader reader(response);
    const auto header = reader.ReadZeroExtended<wire::CtrlHeader>();
    const auto info = reader.ReadZeroExtended<wire::MapInfo>();
    mapped_ = header.type == static_cast<uint32_t>(Type::kOkMapInfo);
    caching_ =
        static_cast<virtio_gpu::MapCaching>(info.map_info & kMapCacheMask);
    answered_.Set();
  }

  uint64_t offset() const { return offset_; }
  OneShot& answered() { return answered_; }
  // Once it is answered.
  bool mapped() const { return mapped_; }
  virtio_gpu::MapCaching caching() const { return caching_; }

 private:
  WindowAllocator* const allocator_;
  const uint64_t offset_;
  const uint64_t size_;
  bool mapped_ = false;
  virtio_gpu::MapCaching caching_ = virtio_gpu::MapCaching::kNone;
  OneShot answered_;
};

Blob::Blob(VirtioGpuDriver* driver, uint32_t resource_id, uint32_t flags,
           uint64_t size)
    : driver_(driver), resource_id_(resource_id), flags_(flags), size_(size) {}

Blob::~Blob() {
  const wire::ResourceId id = {resource_id_, 0};
  if (place_ != nullptr) {
    driver_->queue_->Queue(GpuCommand(Type::kResourceUnmapBlob).With(id),
                           ControlQueue::Kick::kLater);
  }
  GpuCommand unref(Type::kResourceUnref);
  unref.With(id);
  unref.keep = std::move(place_);
  driver_->queue_->Queue(std::move(unref), ControlQueue::Kick::kNow);
}

bool Blob::mappable() const {
  return (flags_ & wire::kBlobFlagUseMappable) != 0;
}

absl::Status Blob::Map() {
  const std::optional<uint64_t> offset = driver_->places_->Allocate(size_);
  if (!offset) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "no room for %d bytes in the host-visible window", size_));
  }
  place_ = std::make_shared<Place>(driver_->places_.get(), *offset, size_);
  GpuCommand map(Type::kResourceMapBlob);
  map.With(wire::ResourceMapBlob{resource_id_, 0, *offset});
  map.response_size = sizeof(wire::CtrlHeader) + sizeof(wire::MapInfo);
  map.handler = place_;
  driver_->queue_->Queue(std::move(map), ControlQueue::Kick::kLater);
  return absl::OkStatus();
}

absl::StatusOr<MappedBlob> Blob::WaitMapped() {
  if (place_ == nullptr) {
    return absl::InvalidArgumentError("the blob was not made mappable");
  }
  driver_->WaitForAnswer(place_->answered());
  if (!place_->mapped()) {
    return absl::InvalidArgumentError("the device did not map the blob");
  }
  return MappedBlob{.address = driver_->window_.data() + place_->offset(),
                    .size = size_,
                    .offset = place_->offset(),
                    .caching = place_->caching()};
}

}  // namespace nacre::guest_kernel
