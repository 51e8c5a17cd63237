#ifndef NACRE_NACRE_GPU_SERVICES_H_
#define NACRE_NACRE_GPU_SERVICES_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/slow_fd.h"
#include "devices/virtio/remote/device_services.h"
#include "devices/virtio_gpu/host_visible_window.h"

namespace nacre {

// What the VMM does for a GPU's process: maps into the window, opens the render
// node. Trusts that process with nothing: HostVisibleWindow checks every range,
// and a file is mapped only if touching it can neither fault nor wait for
// somebody: a memfd that cannot shrink, or the render node itself. (A guest's
// access to a page that a truncated file no longer has would end its VM.)
//
// Closes no render node, nor lets a mapping of one be the last that has it open
// (base/slow_fd.h): the process may have ended, or have planned it so.
//
// One thread at a time.
class GpuServices final : public virtio::DeviceServices {
 public:
  // `node` is the render node's path; empty for a simulated GPU.
  GpuServices(virtio_gpu::HostVisibleWindow window, std::string node)
      : window_(std::move(window)), node_(std::move(node)) {}
  GpuServices(GpuServices&&) = default;
  // Empties the window.
  ~GpuServices() override;

  // For the hypervisor.
  std::span<uint8_t> window() const { return window_.host(); }

  absl::Status MapRegion(uint64_t offset, uint64_t size, uint64_t file_offset,
                         int file) override;
  absl::Status UnmapRegion(uint64_t offset) override;
  absl::Status ClearRegion() override;
  absl::StatusOr<Fd> OpenNode() override;

 private:
  bool IsNode(const struct stat& status) const;
  absl::Status CheckFile(const struct stat& status, int file, uint64_t offset,
                         uint64_t size) const;

  virtio_gpu::HostVisibleWindow window_;
  const std::string node_;
  std::optional<dev_t> node_number_;  // Once it has been opened.
  // Of the node's mappings, by their offset.
  std::map<uint64_t, SlowFd> mapped_nodes_;
};

}  // namespace nacre

#endif  // NACRE_NACRE_GPU_SERVICES_H_
