#include "tools/preload/fd_table.h"

#include <utility>

namespace nacre::preload {

FdTable::File FdTable::Find(int fd) const {
  if (!MayHave(fd)) return nullptr;
  const Shard& shard = ShardOf(fd);
  MutexLock lock(shard.mutex);
  const auto entry = shard.files.find(fd);
  return entry != shard.files.end() ? entry->second : nullptr;
}

FdTable::File FdTable::Insert(int fd, File file) {
  Shard& shard = ShardOf(fd);
  MutexLock lock(shard.mutex);
  File& entry = shard.files[fd];
  std::swap(entry, file);
  Mark(fd, true);
  return file;
}

FdTable::File FdTable::Remove(int fd) {
  if (!MayHave(fd)) return nullptr;
  Shard& shard = ShardOf(fd);
  MutexLock lock(shard.mutex);
  const auto entry = shard.files.find(fd);
  if (entry == shard.files.end()) return nullptr;
  File file = std::move(entry->second);
  shard.files.erase(entry);
  Mark(fd, false);
  return file;
}

std::vector<FdTable::File> FdTable::RemoveRange(unsigned first, unsigned last) {
  std::vector<File> removed;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    for (auto entry = shard.files.begin(); entry != shard.files.end();) {
      const unsigned fd = static_cast<unsigned>(entry->first);
      if (fd < first || fd > last) {
        ++entry;
        continue;
      }
      Mark(entry->first, false);
      removed.push_back(std::move(entry->second));
      shard.files.erase(entry++);
    }
  }
  return removed;
}

bool FdTable::MayHave(int fd) const {
  if (fd < 0) return false;
  if (fd >= kBits) return true;
  return (bits_[fd / 64].load(std::memory_order_acquire) >> (fd % 64) & 1) != 0;
}

void FdTable::Mark(int fd, bool ours) {
  if (fd >= kBits) return;
  const uint64_t bit = uint64_t{1} << (fd % 64);
  if (ours) {
    bits_[fd / 64].fetch_or(bit, std::memory_order_release);
  } else {
    bits_[fd / 64].fetch_and(~bit, std::memory_order_release);
  }
}

}  // namespace nacre::preload
