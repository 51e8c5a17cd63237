#include "base/testing/allocations.h"

#include <malloc.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {
std::atomic<int64_t> g_allocations = 0;
std::atomic<int64_t> g_bytes = 0;
std::atomic<int64_t> g_largest = 0;
}  // namespace

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define NACRE_SANITIZED
#endif
#endif

#ifndef NACRE_SANITIZED
void* operator new(size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  const auto bytes = static_cast<int64_t>(malloc_usable_size(memory));
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  g_bytes.fetch_add(bytes, std::memory_order_relaxed);
  int64_t largest = g_largest.load(std::memory_order_relaxed);
  while (bytes > largest && !g_largest.compare_exchange_weak(
                                largest, bytes, std::memory_order_relaxed)) {
  }
  return memory;
}
void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  g_bytes.fetch_sub(static_cast<int64_t>(malloc_usable_size(memory)),
                    std::memory_order_relaxed);
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept { operator delete(memory); }
#endif

namespace nacre {

int64_t Allocations() { return g_allocations.load(std::memory_order_relaxed); }
int64_t HeapBytes() { return g_bytes.load(std::memory_order_relaxed); }
int64_t TakeLargestAllocation() {
  return g_largest.exchange(0, std::memory_order_relaxed);
}

}  // namespace nacre
