// The window's ranges, as a guest chooses them or, where the device has a
// process of its own, as that asks for them. The input is a byte for the
// window's size, then steps: a byte for what is done, then numbers, which are a
// byte, that many pages, or behind 0xff eight more bytes. Every page must show
// what a table says. From kFirstUnlucky on a step's byte also says which call
// of the host's fails.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/mapping.h"
#include "base/page_size.h"
#include "base/testing/host_faults.h"
#include "devices/virtio_gpu/host_visible_window.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

constexpr int kMaxSteps = 100;
constexpr uint64_t kPage = kLargestPageSize;
constexpr uint64_t kBlobPages = 32;
constexpr uint8_t kFirstUnlucky = 0xe0;
constexpr Limits kLimits = {
    .max_mapped_blobs = 4,
    .max_mapped_bytes = 12 * kPage,
};

// Page n begins with n + 1.
int Blob() {
  static const Fd blob = [] {
    Fd fd = *CreateMemfd("blob", kBlobPages * kPage);
    const Mapping mapping = *Mapping::Shared(fd.get(), 0, kBlobPages * kPage);
    for (uint64_t page = 0; page < kBlobPages; ++page) {
      mapping.data()[page * kPage] = static_cast<uint8_t>(page + 1);
    }
    return fd;
  }();
  return blob.get();
}

class Guest {
 public:
  Guest(HostVisibleWindow window, std::span<const uint8_t> data)
      : reader_(data),
        window_(std::move(window)),
        shown_(window_.host().size() / kPage) {}

  void Run() {
    for (int i = 0; i < kMaxSteps && reader_.remaining() != 0; ++i) {
      const uint8_t step = Byte();
      luck_ = {};
      if (step >= kFirstUnlucky) {
        const int calls = (step - kFirstUnlucky) / 8;
        luck_ = {.first = static_cast<uint64_t>(calls % 3),
                 .repeatedly = calls == 3,
                 .error = ENOMEM};
      }
      switch (step % 8) {
        case 0:
          Clear();
          break;
        case 1:
        case 2:
        case 3:
          Unmap(Number());
          break;
        default:
          Map();
          break;
      }
      Check();
    }
  }

 private:
  // Returns whether a call of the host's failed.
  template <typename Function>
  bool WithLuck(Function function) {
    const HostFault fault(luck_);
    function();
    return fault.calls() > luck_.first;
  }

  void Clear() {
    absl::Status status;
    const bool failed = WithLuck([&] { status = window_.Clear(); });
    CHECK_EQ(status.ok(), !failed || !luck_.repeatedly) << status;
    if (!status.ok()) return;
    mapped_.clear();
    std::fill(shown_.begin(), shown_.end(), 0);
  }
  void Map() {
    const uint64_t offset = Number();
    const uint64_t size = Number();
    const uint64_t first_page = Byte() % (kBlobPages * 2);
    const int fd = first_page < kBlobPages ? Blob() : -1;
    absl::Status status;
    const bool failed = WithLuck([&] {
      status = window_.Map(offset, size, BlobMemory{fd, first_page * kPage});
    });
    CHECK_EQ(status.ok(), !failed && fd >= 0 && Fits(offset, size)) << status;
    if (!status.ok()) return;
    mapped_[offset] = size;
    // A guest sees none of what is behind the blob.
    for (uint64_t i = 0; i < size / kPage; ++i) {
      const uint64_t page = first_page + i;
      shown_[offset / kPage + i] =
          page < kBlobPages ? static_cast<uint8_t>(page + 1) : kBeyond;
    }
  }
  void Unmap(uint64_t offset) {
    const auto it = mapped_.find(offset);
    absl::Status status;
    const bool failed = WithLuck([&] { status = window_.Unmap(offset); });
    CHECK_EQ(status.ok(), !failed && it != mapped_.end()) << status;
    if (!status.ok()) return;
    std::fill_n(shown_.begin() + offset / kPage, it->second / kPage, 0);
    mapped_.erase(it);
  }
  // Written without sums that could overflow.
  bool Fits(uint64_t offset, uint64_t size) const {
    if (size == 0 || offset % kPage != 0 || size % kPage != 0) return false;
    const uint64_t end = window_.host().size();
    if (offset > end || size > end - offset) return false;
    uint64_t bytes = 0;
    for (const auto& [other, other_size] : mapped_) {
      if (offset < other + other_size && other < offset + size) return false;
      bytes += other_size;
    }
    return mapped_.size() < kLimits.max_mapped_blobs &&
           bytes + size <= kLimits.max_mapped_bytes;
  }
  void Check() const {
    uint64_t bytes = 0;
    for (const auto& [offset, size] : mapped_) bytes += size;
    CHECK_EQ(window_.mapped_bytes(), bytes);
    CHECK_EQ(window_.num_mappings(), mapped_.size());
    for (size_t page = 0; page < shown_.size(); ++page) {
      if (shown_[page] == kBeyond) continue;
      CHECK_EQ(window_.host()[page * kPage], shown_[page]) << page;
    }
  }

  uint8_t Byte() { return reader_.ReadZeroExtended<uint8_t>(); }
  uint64_t Number() {
    const uint8_t byte = Byte();
    if (byte != 0xff) return byte * kPage;
    return reader_.ReadZeroExtended<uint64_t>();
  }

  // Of the blob's file, where nobody may look.
  static constexpr uint8_t kBeyond = 0xff;

  ByteReader reader_;
  HostVisibleWindow window_;
  HostFault::Plan luck_;
  std::map<uint64_t, uint64_t> mapped_;  // Offset to size.
  std::vector<uint8_t> shown_;           // By each page: 0, or of the blob.
};

void Fuzz(std::span<const uint8_t> data) {
  if (data.empty()) return;
  // Up to 64 pages, also halves of them and none.
  const uint64_t bytes = data.front() % 129 * (kPage / 2);
  absl::StatusOr<HostVisibleWindow> window =
      HostVisibleWindow::Create(bytes, kLimits, kPage);
  const bool is_power = (bytes & (bytes - 1)) == 0;
  CHECK_EQ(window.ok(), bytes == 0 || (is_power && bytes >= kPage)) << bytes;
  if (window.ok()) Guest(*std::move(window), data.subspan(1)).Run();
}

}  // namespace
}  // namespace nacre::virtio_gpu

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  nacre::virtio_gpu::Fuzz({data, size});
  return 0;
}
