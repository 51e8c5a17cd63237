#ifndef NACRE_DEVICES_VIRTIO_GPU_PARKING_H_
#define NACRE_DEVICES_VIRTIO_GPU_PARKING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

namespace nacre::virtio_gpu {

// What a command has to do with, and so which commands must not overtake one
// another.
struct Claim {
  enum class Kind : uint8_t {
    kEverything,
    kContext,   // Of this id.
    kSharing,   // What a pair of contexts does to resources that both have.
    kResource,  // Of this id.
    kScanout,   // Of this id, its cursor included.
    kMap,       // Of this range of the host-visible window...
    kUnmap,     // ... which Linux uses again once it has sent the command.
  };

  static Claim Everything() { return {Kind::kEverything, 0, UINT64_MAX}; }
  static Claim Context(uint32_t id) { return {Kind::kContext, id, id}; }
  static Claim Sharing(uint32_t context, uint32_t other) {
    const auto [low, high] = std::minmax(context, other);
    const uint64_t pair = uint64_t{high} << 32 | low;
    return {Kind::kSharing, pair, pair};
  }
  static Claim Resource(uint32_t id) { return {Kind::kResource, id, id}; }
  static Claim Scanout(uint32_t id) { return {Kind::kScanout, id, id}; }
  static Claim Map(uint64_t first, uint64_t last) {
    return {Kind::kMap, first, last};
  }
  static Claim Unmap(uint64_t first, uint64_t last) {
    return {Kind::kUnmap, first, last};
  }

  // Whether a command with the claim `later` has to wait for this one. Maps
  // and unmaps do not wait for their like: a driver gives out what is free.
  bool HoldsUp(const Claim& later) const {
    if (kind == Kind::kEverything || later.kind == Kind::kEverything) {
      return true;
    }
    const bool related = kind == Kind::kUnmap
                             ? later.kind == Kind::kMap
                             : kind != Kind::kMap && later.kind == kind;
    return related && first <= later.last && later.first <= last;
  }

  friend bool operator==(const Claim&, const Claim&) = default;

  Kind kind;
  uint64_t first;
  uint64_t last;
};

// The order of commands where one of them, in a call that blocks, holds up some
// of those behind it and not others: a command waits for every earlier one with
// which it shares a claim. One that names the same resource as an earlier one
// takes over its other claims, a map as an unmap: what it finds when its turn
// comes may be due to the earlier one. One behind a command that brings
// contexts together by a resource, its own among them, takes over the contexts:
// they may share the resource then. Pure logic: no thread, no lock. `Command`
// (movable) is what is to be executed later.
template <typename Command>
class Parking {
 public:
  // Names a command that others may have to wait for; 0 is none.
  using Ticket = uint64_t;

  // Attack stopped: the time that commands of one another's claims take to
  // compare, by a resource that is attached to every context. More are taken
  // for everything.
  static constexpr size_t kMaxClaims = 32;

  // Nobody waits for anybody.
  bool empty() const { return entries_.empty(); }
  bool ready() const { return !ready_.empty(); }
  size_t parked() const { return parked_; }

  bool MustWait(std::span<const Claim> claims) const {
    if (claims.size() > kMaxClaims) return !empty();
    return std::any_of(
        entries_.begin(), entries_.end(),
        [&](const Entry& entry) { return HoldUp(entry.claims, claims); });
  }

  // A command that is being executed. Later ones wait for it until Leave.
  Ticket Enter(std::span<const Claim> claims) {
    entries_.push_back({++last_ticket_, {claims.begin(), claims.end()}, 0, {}});
    Limit(entries_.back().claims);
    return last_ticket_;
  }

  // A command that MustWait. Comes out by TakeReady, and counts as being
  // executed from then on.
  Ticket Park(std::span<const Claim> claims, Command command) {
    Entry entry = {++last_ticket_, {claims.begin(), claims.end()}, 0, {}};
    Limit(entry.claims);
    for (const Entry& earlier : entries_) Inherit(earlier.claims, entry.claims);
    for (const Entry& earlier : entries_) {
      if (HoldUp(earlier.claims, entry.claims)) ++entry.waits_for;
    }
    entry.command.push_back(std::move(command));
    entries_.push_back(std::move(entry));
    ++parked_;
    return last_ticket_;
  }

  // The command has been executed.
  void Leave(Ticket ticket) {
    const auto gone = std::find_if(
        entries_.begin(), entries_.end(),
        [&](const Entry& entry) { return entry.ticket == ticket; });
    if (gone == entries_.end()) return;
    for (auto later = gone + 1; later != entries_.end(); ++later) {
      if (later->waits_for == 0 || !HoldUp(gone->claims, later->claims)) {
        continue;
      }
      if (--later->waits_for == 0) {
        ready_.push_back(std::move(later->command.front()));
        later->command.clear();
      }
    }
    entries_.erase(gone);
  }

  // The next command that need wait no longer; ready() has said yes.
  Command TakeReady() {
    Command command = std::move(ready_.front());
    ready_.pop_front();
    --parked_;
    return command;
  }

  // Forgets all, in no order: `drop(Command)` for each that is parked.
  template <typename Drop>
  void Clear(Drop&& drop) {
    while (ready()) drop(TakeReady());
    for (Entry& entry : entries_) {
      for (Command& command : entry.command) drop(std::move(command));
    }
    entries_.clear();
    parked_ = 0;
  }

 private:
  struct Entry {
    Ticket ticket;
    std::vector<Claim> claims;
    size_t waits_for;              // Of the entries before.
    std::vector<Command> command;  // Empty once it is being executed.
  };

  static void Limit(std::vector<Claim>& claims) {
    if (claims.size() > kMaxClaims) claims = {Claim::Everything()};
  }
  static bool Names(const std::vector<Claim>& claims, Claim::Kind kind) {
    return std::any_of(claims.begin(), claims.end(),
                       [kind](const Claim& c) { return c.kind == kind; });
  }
  static bool InCommon(const std::vector<Claim>& a, const std::vector<Claim>& b,
                       Claim::Kind kind) {
    return std::any_of(a.begin(), a.end(), [&](const Claim& claim) {
      return claim.kind == kind &&
             std::find(b.begin(), b.end(), claim) != b.end();
    });
  }
  static void Inherit(const std::vector<Claim>& earlier,
                      std::vector<Claim>& claims) {
    using Kind = Claim::Kind;
    const bool names_resource = Names(claims, Kind::kResource);
    // Which resources it named is no longer known.
    if (names_resource && Names(earlier, Kind::kEverything)) {
      claims = {Claim::Everything()};
      return;
    }
    const bool same_resource = InCommon(earlier, claims, Kind::kResource);
    const bool joined = Names(earlier, Kind::kResource) &&
                        InCommon(earlier, claims, Kind::kContext);
    if (!same_resource && !joined) return;
    for (Claim claim : earlier) {
      if (!same_resource && claim.kind != Kind::kContext) continue;
      if (claim.kind == Kind::kMap) claim.kind = Kind::kUnmap;
      if (claim.kind != Kind::kResource &&
          std::find(claims.begin(), claims.end(), claim) == claims.end()) {
        claims.push_back(claim);
      }
    }
    Limit(claims);
  }
  static bool HoldUp(std::span<const Claim> earlier,
                     std::span<const Claim> later) {
    for (const Claim& a : earlier) {
      for (const Claim& b : later) {
        if (a.HoldsUp(b)) return true;
      }
    }
    return false;
  }

  std::vector<Entry> entries_;  // In the order in which they came.
  std::deque<Command> ready_;
  size_t parked_ = 0;
  Ticket last_ticket_ = 0;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_PARKING_H_
