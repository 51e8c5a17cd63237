#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/wire.h"
#include "tools/preload/user_pointer.h"
#include "tools/preload/virtgpu/virtgpu_node.h"
#include "tools/preload/virtgpu/virtgpu_uapi.h"

// Objects (virtgpu_ioctl.c, virtgpu_vram.c).

namespace nacre::preload {
namespace {

using virtio_gpu::wire::Type;

absl::Status Invalid(const char* what) { return ErrnoStatus(EINVAL, what); }

absl::StatusOr<std::shared_ptr<VirtgpuObject>> Find(VirtgpuNode& node,
                                                    uint32_t handle) {
  std::shared_ptr<VirtgpuObject> object = node.Find(handle);
  if (object != nullptr) return object;
  return ErrnoStatus(ENOENT, absl::StrCat("GEM handle ", handle));
}

// verify_blob, of blobs that the host's memory is behind. Those of the guest's
// own pages are not simulated: native contexts do without.
absl::Status CheckBlob(const drm_virtgpu_resource_create_blob& argument) {
  if ((argument.blob_flags & ~VIRTGPU_BLOB_FLAG_USE_MASK) != 0) {
    return Invalid("CREATE_BLOB flags");
  }
  if (argument.blob_mem != VIRTGPU_BLOB_MEM_HOST3D) {
    return Invalid("CREATE_BLOB of guest memory");
  }
  if (argument.cmd_size % sizeof(uint32_t) != 0) {
    return Invalid("CREATE_BLOB command of odd size");
  }
  return absl::OkStatus();
}

absl::Status CreateBlob(VirtgpuNode& node,
                        drm_virtgpu_resource_create_blob& argument) {
  RETURN_IF_ERROR(CheckBlob(argument));
  absl::StatusOr<std::shared_ptr<guest_kernel::Blob>> blob =
      node.context().CreateBlob(
          {.flags = argument.blob_flags,
           .blob_id = argument.blob_id,
           .size = argument.size},
          {UserPointer<const uint8_t>(argument.cmd), argument.cmd_size});
  if (!blob.ok()) {
    if (!absl::IsResourceExhausted(blob.status())) return blob.status();
    return ErrnoStatus(ENOSPC, blob.status().message());
  }
  if ((argument.blob_flags & VIRTGPU_BLOB_FLAG_USE_CROSS_DEVICE) != 0) {
    node.context().AssignUuid(**blob);
  }
  argument.res_handle = (*blob)->resource_id();
  argument.bo_handle =
      node.Insert(std::make_shared<VirtgpuObject>(*std::move(blob)));
  return absl::OkStatus();
}

absl::Status ResourceInfo(VirtgpuNode& node,
                          drm_virtgpu_resource_info& argument) {
  ASSIGN_OR_RETURN(const std::shared_ptr<VirtgpuObject> object,
                   Find(node, argument.bo_handle));
  argument.res_handle = object->blob().resource_id();
  argument.size = static_cast<uint32_t>(object->blob().size());
  argument.blob_mem = VIRTGPU_BLOB_MEM_HOST3D;
  return absl::OkStatus();
}

// Whether it can be mapped is for mmap to say.
absl::Status Map(VirtgpuNode& node, drm_virtgpu_map& argument) {
  RETURN_IF_ERROR(Find(node, argument.handle).status());
  argument.offset = VirtgpuNode::OffsetOf(argument.handle);
  return absl::OkStatus();
}

absl::Status Wait(VirtgpuNode& node, drm_virtgpu_3d_wait& argument) {
  constexpr std::chrono::seconds kPatience(15);  // The kernel's.
  ASSIGN_OR_RETURN(const std::shared_ptr<VirtgpuObject> object,
                   Find(node, argument.handle));
  const bool idle =
      (argument.flags & VIRTGPU_WAIT_NOWAIT) != 0
          ? object->Idle()
          : object->WaitIdle(std::chrono::steady_clock::now() + kPatience);
  return idle ? absl::OkStatus() : ErrnoStatus(EBUSY, "WAIT");
}

// The device knows no such thing of its blobs, and Linux does not tell programs
// what it answers.
template <Type kType>
absl::Status Transfer(VirtgpuNode& node, drm_virtgpu_3d_transfer& argument) {
  ASSIGN_OR_RETURN(std::shared_ptr<VirtgpuObject> object,
                   Find(node, argument.bo_handle));
  const drm_virtgpu_3d_box& box = argument.box;
  const std::shared_ptr<const VirtgpuFence> fence =
      node.gpu().Announced(node.context().Transfer(
          kType, {.box = {box.x, box.y, box.z, box.w, box.h, box.d},
                  .offset = argument.offset,
                  .resource_id = object->blob().resource_id(),
                  .level = argument.level,
                  .stride = argument.stride,
                  .layer_stride = argument.layer_stride}));
  object->AddFence(fence);
  fence->get().OnSignal([kept = std::move(object)] {});
  return absl::OkStatus();
}

// For the virgl dialect, which the device does not speak.
absl::Status ResourceCreate(VirtgpuNode& /*node*/,
                            drm_virtgpu_resource_create& /*argument*/) {
  return Invalid("RESOURCE_CREATE");
}

}  // namespace

std::span<const IoctlEntry> VirtgpuBlobIoctls() {
  static constexpr std::array kEntries = {
      Handles<DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, CreateBlob>(),
      Handles<DRM_IOCTL_VIRTGPU_RESOURCE_INFO, ResourceInfo>(),
      Handles<DRM_IOCTL_VIRTGPU_MAP, Map>(),
      Handles<DRM_IOCTL_VIRTGPU_WAIT, Wait>(),
      Handles<DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST,
              Transfer<Type::kTransferToHost3d>>(),
      Handles<DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST,
              Transfer<Type::kTransferFromHost3d>>(),
      Handles<DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, ResourceCreate>(),
  };
  return kEntries;
}

}  // namespace nacre::preload
