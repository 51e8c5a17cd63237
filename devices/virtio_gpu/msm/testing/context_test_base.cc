#include "devices/virtio_gpu/msm/testing/context_test_base.h"

#include <poll.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace nacre::msm {

size_t CountFds() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                       std::filesystem::directory_iterator());
}

size_t CountMappings() {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("/memfd:") != std::string::npos) ++count;
  }
  return count;
}

bool Readable(const Fd& fd) {
  pollfd request = {.fd = fd.get(), .events = POLLIN, .revents = 0};
  return poll(&request, 1, 0) == 1;
}

ContextTestBase::ContextTestBase(uint64_t shmem_size)
    : type_(*MsmContextType::Create(device_)),
      guest_(std::in_place, *type_, shmem_size) {}

void ContextTestBase::TearDown() {
  device_.FailNoMore();
  guest_.reset();
  device_.FinishAll();
  // Whoever comes next finds what has finished since.
  EXPECT_TRUE(type_->CreateContext(1, "next").ok());
  type_->ReleaseIdle();
  EXPECT_EQ(device_.files(), 0u);
  EXPECT_EQ(device_.objects(), 0u);
  EXPECT_EQ(device_.warnings(), 0u);
  EXPECT_EQ(counters().unfinished_bytes.value(), 0u);
  EXPECT_EQ(CountFds(), fds_before_);
  EXPECT_EQ(counters().contexts.value(), 0u);
  EXPECT_EQ(counters().files.value(), 0u);
  EXPECT_EQ(counters().objects.value(), 0u);
  EXPECT_EQ(counters().object_bytes.value(), 0u);
  EXPECT_EQ(counters().submitqueues.value(), 0u);
}

}  // namespace nacre::msm
