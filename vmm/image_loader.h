#ifndef NACRE_VMM_IMAGE_LOADER_H_
#define NACRE_VMM_IMAGE_LOADER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "vmm/address_range.h"
#include "vmm/guest_memory.h"
#include "vmm/image_file.h"

namespace nacre::vmm {

// A part of a file and where it belongs in guest memory.
struct ImagePiece {
  const ImageFile* file = nullptr;
  uint64_t file_offset = 0;
  uint64_t size = 0;
  uint64_t address = 0;
};

// Fills guest memory from files on a thread of its own while the guest already
// runs: images are a hundred megabytes of which a kernel's first second touches
// a few. What is not there yet is taken away from the vCPUs; one that touches
// it stops, waits here and tries again.
//
// That works where KVM answers EFAULT for such an access, which hardware
// virtualization does. A KVM that emulates instructions fails the instruction
// instead: there only images of kLoadedAtOnce in all work, for which nobody has
// to wait. (No stock kernel is so small, and none boots where KVM is so slow.)
//
// Goes through memory in blocks of 2 MiB, in the order of the pieces; only the
// first block is smaller, so that the guest can start soon.
class ImageLoader {
 public:
  static constexpr uint64_t kLoadedAtOnce = 1 << 20;

  // Takes the memory of `pieces` away from the guest and loads the first block,
  // so the first piece is the one with the entry point; or all of them, up to
  // kLoadedAtOnce bytes. `memory` and the files
  // outlive the loader; pieces are disjoint in memory. `on_error` is called on
  // the loader's thread, at most once, where a file cannot be read to its end.
  // Errors: those of the first block.
  static absl::StatusOr<std::unique_ptr<ImageLoader>> Create(
      const GuestMemory& memory, std::vector<ImagePiece> pieces,
      std::function<void(absl::Status)> on_error);
  // Gives up what is not done; what was taken away from the guest stays so.
  ~ImageLoader();

  // Loads the rest on a thread of its own; on the caller's, and before it
  // returns, where the host gives none. Once.
  void Start();

  // For a vCPU that could not access memory: waits until there is more than
  // when it came last, which `seen` remembers for it (0 at first). Returns
  // false where there will be no more, so that the access fails for another
  // reason. Any thread.
  bool WaitForMore(uint64_t* seen);

  // Makes every WaitForMore return false from now on. Any thread.
  void Abandon();

 private:
  // The guest-physical memory that becomes accessible at once: what of 2 MiB
  // holds pieces.
  using Block = AddressRange;

  ImageLoader(const GuestMemory& memory, std::vector<ImagePiece> pieces,
              std::function<void(absl::Status)> on_error);

  absl::Status Fill(const Block& block) const;
  // Fill, and give it to the guest.
  absl::Status Complete(const Block& block);
  void Run();

  const GuestMemory& memory_;
  const std::vector<ImagePiece> pieces_;
  const std::function<void(absl::Status)> on_error_;
  const std::vector<Block> blocks_;

  Mutex mutex_;
  CondVar changed_;
  uint64_t blocks_done_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // No more will come.
  Thread thread_;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_IMAGE_LOADER_H_
