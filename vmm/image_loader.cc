#include "vmm/image_loader.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "base/page_size.h"
#include "base/status_macros.h"

namespace nacre::vmm {
namespace {

// A huge page, so that giving a block to the guest splits none.
constexpr uint64_t kBlockSize = uint64_t{2} << 20;
constexpr uint64_t kFirstBlockSize = uint64_t{64} << 10;

// In the order of the pieces, each block once: pieces may share one.
std::vector<AddressRange> BlocksOf(const std::vector<ImagePiece>& pieces) {
  std::vector<AddressRange> blocks;
  for (const ImagePiece& piece : pieces) {
    const uint64_t end = piece.address + piece.size;
    for (uint64_t base = AlignDown(piece.address, kBlockSize); base < end;
         base += kBlockSize) {
      const uint64_t first =
          AlignDown(std::max(base, piece.address), HostPageSize());
      // Images end far below the end of the address space.
      const uint64_t last =
          CheckedAlignUp(std::min(base + kBlockSize, end), HostPageSize())
              .value();
      const auto shared = std::find_if(
          blocks.begin(), blocks.end(), [base](const AddressRange& block) {
            return AlignDown(block.address, kBlockSize) == base;
          });
      if (shared == blocks.end()) {
        blocks.push_back({first, last - first});
        continue;
      }
      const uint64_t start = std::min(shared->address, first);
      shared->size = std::max(shared->address + shared->size, last) - start;
      shared->address = start;
    }
  }
  if (!blocks.empty() && blocks.front().size > kFirstBlockSize) {
    const AddressRange whole = blocks.front();
    blocks.front().size = kFirstBlockSize;
    blocks.insert(blocks.begin() + 1, {whole.address + kFirstBlockSize,
                                       whole.size - kFirstBlockSize});
  }
  return blocks;
}

}  // namespace

ImageLoader::ImageLoader(const GuestMemory& memory,
                         std::vector<ImagePiece> pieces,
                         std::function<void(absl::Status)> on_error)
    : memory_(memory),
      pieces_(std::move(pieces)),
      on_error_(std::move(on_error)),
      blocks_(BlocksOf(pieces_)) {}

absl::StatusOr<std::unique_ptr<ImageLoader>> ImageLoader::Create(
    const GuestMemory& memory, std::vector<ImagePiece> pieces,
    std::function<void(absl::Status)> on_error) {
  std::unique_ptr<ImageLoader> loader(
      new ImageLoader(memory, std::move(pieces), std::move(on_error)));
  for (const Block& block : loader->blocks_) {
    RETURN_IF_ERROR(memory.SetGuestAccess(block.address, block.size, false));
  }
  uint64_t total = 0;
  for (const ImagePiece& piece : loader->pieces_) total += piece.size;
  const size_t now = total <= kLoadedAtOnce
                         ? loader->blocks_.size()
                         : std::min<size_t>(loader->blocks_.size(), 1);
  for (size_t i = 0; i < now; ++i) {
    RETURN_IF_ERROR(loader->Complete(loader->blocks_[i]));
  }
  return loader;
}

void ImageLoader::Start() {
  if (auto thread = Thread::Start("image-loader", [this] { Run(); });
      thread.ok()) {
    thread_ = *std::move(thread);
  } else {
    Run();
  }
}

ImageLoader::~ImageLoader() {
  Abandon();
  if (thread_.joinable()) thread_.Join();
}

bool ImageLoader::WaitForMore(uint64_t* seen) {
  MutexLock lock(mutex_);
  while (blocks_done_ == *seen && !ended_) changed_.Wait(mutex_);
  return std::exchange(*seen, blocks_done_) != blocks_done_;
}

void ImageLoader::Abandon() {
  MutexLock lock(mutex_);
  ended_ = true;
  changed_.SignalAll();
}

absl::Status ImageLoader::Fill(const Block& block) const {
  for (const ImagePiece& piece : pieces_) {
    const uint64_t first = std::max(piece.address, block.address);
    const uint64_t last =
        std::min(piece.address + piece.size, block.address + block.size);
    if (first >= last) continue;
    RETURN_IF_ERROR(
        piece.file->LoadTo(memory_, piece.file_offset + (first - piece.address),
                           last - first, first));
  }
  return absl::OkStatus();
}

absl::Status ImageLoader::Complete(const Block& block) {
  RETURN_IF_ERROR(Fill(block));
  RETURN_IF_ERROR(memory_.SetGuestAccess(block.address, block.size, true));
  MutexLock lock(mutex_);
  ++blocks_done_;
  changed_.SignalAll();
  return absl::OkStatus();
}

void ImageLoader::Run() {
  for (;;) {
    size_t i = 0;
    {
      MutexLock lock(mutex_);
      if (ended_) return;
      i = blocks_done_;
    }
    if (i == blocks_.size()) break;
    if (absl::Status status = Complete(blocks_[i]); !status.ok()) {
      // Before a vCPU that waits can fail for want of it.
      on_error_(std::move(status));
      break;
    }
  }
  Abandon();
}

}  // namespace nacre::vmm
