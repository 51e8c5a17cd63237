#ifndef NACRE_BASE_QUOTA_H_
#define NACRE_BASE_QUOTA_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace nacre {

// A limit on how many of something exist at one time. Who makes one takes a
// share first, which is given back when it is destroyed:
//
//   std::optional<Quota::Share> share = quota.Take();
//   if (!share) return absl::ResourceExhaustedError(...);
//
// Thread-safe; outlives its shares.
class Quota {
 public:
  explicit Quota(uint64_t limit) : limit_(limit) {}
  Quota(const Quota&) = delete;
  Quota& operator=(const Quota&) = delete;

  class Share {
   public:
    Share() = default;  // Of nothing.

   private:
    friend class Quota;
    struct GiveBack {
      void operator()(Quota* quota) const {
        quota->taken_.fetch_sub(1, std::memory_order_relaxed);
      }
    };
    explicit Share(Quota* quota) : quota_(quota) {}
    std::unique_ptr<Quota, GiveBack> quota_;
  };

  // Nullopt at the limit.
  std::optional<Share> Take() {
    // Counted before it is compared: two that ask at once cannot both get the
    // last one.
    if (taken_.fetch_add(1, std::memory_order_relaxed) < limit_) {
      return Share(this);
    }
    taken_.fetch_sub(1, std::memory_order_relaxed);
    return std::nullopt;
  }

 private:
  const uint64_t limit_;
  std::atomic<uint64_t> taken_{0};
};

}  // namespace nacre

#endif  // NACRE_BASE_QUOTA_H_
