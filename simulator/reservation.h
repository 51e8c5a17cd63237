#ifndef NACRE_SIMULATOR_RESERVATION_H_
#define NACRE_SIMULATOR_RESERVATION_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "base/mutex.h"
#include "simulator/fence.h"

namespace nacre::simulator {

using FenceSet = absl::flat_hash_set<std::shared_ptr<Fence>>;

// The fences of the submissions that use a buffer (a kernel dma_resv): the
// latest of each context, by kind of use. Thread-safe.
class Reservation {
 public:
  enum class Use { kRead, kWrite };

  void Add(std::shared_ptr<Fence> fence, Use use);

  // Whether a user would have to wait: a reader for writers, a writer for all.
  bool Busy(Use use) const;

  // Adds what a submission of `context` has to wait for before it uses the
  // buffer: the unsignalled fences of other contexts.
  void AddDependencies(Use use, uint64_t context, FenceSet& fences) const;

 private:
  struct Entry {
    std::shared_ptr<Fence> fence;
    Use use;
  };

  mutable Mutex mutex_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_RESERVATION_H_
