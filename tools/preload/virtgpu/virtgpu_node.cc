#include "tools/preload/virtgpu/virtgpu_node.h"

#include <fcntl.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "tools/preload/dma_buf.h"

namespace nacre::preload {
namespace {

// An object's mmap offset: its handle, above all sizes. 0 is no offset.
constexpr int kHandleShift = 36;

const IoctlTable& Ioctls() {
  static const IoctlTable table(
      {VirtgpuIoctls(), VirtgpuBlobIoctls(), ExecbufferIoctls()});
  return table;
}

// The device knows the buffer, of which the descriptor has only the size:
// mmap is answered here.
class VirtgpuDmaBuf final : public DmaBuf {
 public:
  explicit VirtgpuDmaBuf(std::shared_ptr<VirtgpuObject> object)
      : object_(std::move(object)) {}
  const std::shared_ptr<VirtgpuObject>& object() const { return object_; }
  bool maps() const override { return true; }
  absl::StatusOr<void*> Map(const MapRequest& request) override {
    return object_->Map(request);
  }

 private:
  const std::shared_ptr<VirtgpuObject> object_;
};

absl::Status NoObject(int error, uint32_t handle) {
  return ErrnoStatus(error, absl::StrCat("GEM handle ", handle));
}

// get_task_comm.
std::string ThreadName() {
  std::array<char, 16> name{};
  prctl(PR_GET_NAME, name.data());
  return name.data();
}

}  // namespace

VirtgpuNode::VirtgpuNode(VirtgpuGpu& gpu, EventFd event)
    : RenderNode(Ioctls()),
      gpu_(gpu),
      events_(std::make_shared<EventQueue>(std::move(event))) {}

VirtgpuNode::~VirtgpuNode() {
  for (uint32_t handle = 1; handle < objects_.size(); ++handle) {
    static_cast<void>(CloseObject(handle));
  }
}

DriverVersion VirtgpuNode::version() const {
  return {.major = 0,
          .minor = 1,
          .patchlevel = 0,
          .name = "virtio_gpu",
          .date = "0",
          .description = "virtio GPU"};
}

absl::StatusOr<size_t> VirtgpuNode::Read(void* bytes, size_t size) {
  return events_->Read(bytes, size);
}

absl::Status VirtgpuNode::ContextExists() {
  return ErrnoStatus(EEXIST, "CONTEXT_INIT of a file that has a context");
}

void VirtgpuNode::CreateContext() {
  context_ = gpu_.driver().CreateContext(
      {.capset_id = init_.capset_id.value_or(0),
       .num_rings = init_.num_rings.value_or(0),
       .name = init_.debug_name ? *init_.debug_name : ThreadName()});
  poll_rings_mask_.store(init_.poll_rings_mask);
  made_context_.store(context_.get(), std::memory_order_release);
}

guest_kernel::Context& VirtgpuNode::context() {
  guest_kernel::Context* const made =
      made_context_.load(std::memory_order_acquire);
  if (made != nullptr) return *made;
  MutexLock lock(context_mutex_);
  if (context_ == nullptr) CreateContext();
  return *context_;
}

uint32_t VirtgpuNode::Insert(std::shared_ptr<VirtgpuObject> object) {
  uint32_t handle = 0;
  {
    MutexLock lock(mutex_);
    handle = InsertLocked(object);
  }
  // virtio_gpu_gem_object_open.
  context().Attach(object->blob());
  gpu_.driver().Notify();
  return handle;
}

uint32_t VirtgpuNode::InsertLocked(std::shared_ptr<VirtgpuObject> object) {
  const uint32_t handle = lowest_free_;
  if (objects_.size() <= handle) objects_.resize(handle + 1);
  objects_[handle] = std::move(object);
  do {
    ++lowest_free_;
  } while (lowest_free_ < objects_.size() && objects_[lowest_free_] != nullptr);
  return handle;
}

std::shared_ptr<VirtgpuObject> VirtgpuNode::Find(uint32_t handle) {
  MutexLock lock(mutex_);
  return handle < objects_.size() ? objects_[handle] : nullptr;
}

absl::StatusOr<std::vector<std::shared_ptr<VirtgpuObject>>>
VirtgpuNode::FindAll(std::span<const uint32_t> handles) {
  std::vector<std::shared_ptr<VirtgpuObject>> found;
  found.reserve(handles.size());
  MutexLock lock(mutex_);
  for (const uint32_t handle : handles) {
    if (handle >= objects_.size() || objects_[handle] == nullptr) {
      return NoObject(ENOENT, handle);
    }
    found.push_back(objects_[handle]);
  }
  return found;
}

absl::Status VirtgpuNode::CloseObject(uint32_t handle) {
  std::shared_ptr<VirtgpuObject> object;
  {
    MutexLock lock(mutex_);
    if (handle >= objects_.size() || objects_[handle] == nullptr) {
      return NoObject(EINVAL, handle);
    }
    object = std::move(objects_[handle]);
    lowest_free_ = std::min(lowest_free_, handle);
  }
  // virtio_gpu_gem_object_close; what ends with the last reference comes after.
  context().Detach(object->blob());
  gpu_.driver().Notify();
  return absl::OkStatus();
}

absl::StatusOr<RenderNode::Exported> VirtgpuNode::ExportObject(
    uint32_t handle) {
  std::shared_ptr<VirtgpuObject> object = Find(handle);
  if (object == nullptr) return NoObject(ENOENT, handle);
  ASSIGN_OR_RETURN(Fd fd, object->NewDmaBufFd());
  return Exported{.fd = std::move(fd),
                  .file = std::make_shared<VirtgpuDmaBuf>(std::move(object))};
}

// There are no other drivers' dma-bufs here: what is none of ours is none.
absl::StatusOr<uint32_t> VirtgpuNode::ImportObject(int fd) {
  const auto dma_buf = gpu_.fds().FindAs<VirtgpuDmaBuf>(fd);
  if (dma_buf == nullptr) {
    const bool open = fcntl(fd, F_GETFD) >= 0;
    return ErrnoStatus(open ? EINVAL : EBADF, "import of what is no dma-buf");
  }
  {
    // A file has one handle of what it imports (drm_prime_lookup_buf).
    MutexLock lock(mutex_);
    for (uint32_t handle = 1; handle < objects_.size(); ++handle) {
      if (objects_[handle] == dma_buf->object()) return handle;
    }
  }
  return Insert(dma_buf->object());
}

uint64_t VirtgpuNode::OffsetOf(uint32_t handle) {
  return uint64_t{handle} << kHandleShift;
}

absl::StatusOr<void*> VirtgpuNode::Map(const MapRequest& request) {
  const auto handle = static_cast<uint32_t>(request.offset >> kHandleShift);
  const std::shared_ptr<VirtgpuObject> object = Find(handle);
  if (object == nullptr) {
    return ErrnoStatus(EINVAL, absl::StrFormat("mmap at %#x", request.offset));
  }
  MapRequest within = request;
  within.offset -= OffsetOf(handle);
  return object->Map(within);
}

}  // namespace nacre::preload
