#ifndef NACRE_BASE_COUNTER_H_
#define NACRE_BASE_COUNTER_H_

#include <atomic>
#include <cstdint>

namespace nacre {

// Numbers for a summary, read from any thread at any time. Each is right by
// itself; two read one after the other may belong to different moments.
//
// Of a Counter and a Gauge one thread writes at a time: the writers have an
// order among themselves (a lock, or one being the only one), which is why no
// write needs a locked instruction. A SharedCounter and a SharedGauge are
// written from any thread.

// Counts up.
class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value() + n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// How much of something there is, and the most there was.
class Gauge {
 public:
  void Set(uint64_t value) {
    value_.store(value, std::memory_order_relaxed);
    if (value > peak()) peak_.store(value, std::memory_order_relaxed);
  }
  void Add(uint64_t n = 1) { Set(value() + n); }
  void Subtract(uint64_t n = 1) {
    value_.store(value() - n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }
  uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
  std::atomic<uint64_t> peak_{0};
};

// As Counter.
class SharedCounter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// As Gauge.
class SharedGauge {
 public:
  void Add(uint64_t n = 1) {
    RaisePeak(value_.fetch_add(n, std::memory_order_relaxed) + n);
  }
  // Add, unless there would be more than `most`: then false. Whatever others
  // add at the same time, there never is.
  bool AddUpTo(uint64_t most, uint64_t n = 1) {
    uint64_t before = value();
    do {
      if (before > most || n > most - before) return false;
    } while (!value_.compare_exchange_weak(before, before + n,
                                           std::memory_order_relaxed));
    RaisePeak(before + n);
    return true;
  }
  void Subtract(uint64_t n = 1) {
    value_.fetch_sub(n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }
  uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }

 private:
  void RaisePeak(uint64_t value) {
    uint64_t most = peak();
    while (value > most && !peak_.compare_exchange_weak(
                               most, value, std::memory_order_relaxed)) {
    }
  }

  std::atomic<uint64_t> value_{0};
  std::atomic<uint64_t> peak_{0};
};

}  // namespace nacre

#endif  // NACRE_BASE_COUNTER_H_
