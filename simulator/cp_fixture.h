#ifndef NACRE_SIMULATOR_CP_FIXTURE_H_
#define NACRE_SIMULATOR_CP_FIXTURE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "devices/virtio_gpu/msm/uapi.h"
#include "gtest/gtest.h"
#include "simulator/address_space.h"
#include "simulator/buffer_pool.h"

namespace nacre::simulator {

// GPU memory for tests of what runs on the GPU: an address space with one
// buffer of zeroes, seen by the CPU through a mapping of its own.
class CpFixture : public testing::Test {
 protected:
  static constexpr uint64_t kWindow = 0x100000000;
  static constexpr uint64_t kWindowSize = 0x100000000;
  static constexpr uint64_t kIova = kWindow + 0x10000;
  static constexpr uint64_t kSize = 0x10000;
  static constexpr uint64_t kUnmapped = kWindow + 0x8000000;

  CpFixture() : buffer_(MapNew(kIova, kSize)) {
    mapping_ = Mapping::Shared(buffer_->fd(), 0, kSize).value();
  }

  // A new buffer at `iova`.
  std::shared_ptr<Buffer> MapNew(uint64_t iova, uint64_t size,
                                 uint32_t flags = msm::MSM_BO_WC) {
    std::shared_ptr<Buffer> buffer = pool_.Allocate(size, flags).value();
    EXPECT_TRUE(space_->Assign(buffer, iova).ok());
    return buffer;
  }

  // The dword at kIova + 4 * index.
  uint32_t& Dword(size_t index) const {
    return reinterpret_cast<uint32_t*>(mapping_.data())[index];
  }
  uint64_t Qword(size_t index) const {
    return Dword(index) | uint64_t{Dword(index + 1)} << 32;
  }
  static constexpr uint64_t IovaOf(size_t index) { return kIova + 4 * index; }

  BufferPool pool_{uint64_t{1} << 30};
  std::shared_ptr<AddressSpace> space_ =
      std::make_shared<AddressSpace>(kWindow, kWindowSize);
  std::shared_ptr<Buffer> buffer_;
  Mapping mapping_;
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_CP_FIXTURE_H_
