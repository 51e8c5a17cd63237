#include "vmm/kvm/io_events.h"

#include <cerrno>
#include <cstdint>

#include "absl/status/status.h"
#include "base/errno_status.h"
#include "base/event_fd.h"
#include "base/testing/host_faults.h"
#include "gtest/gtest.h"
#include "vmm/kvm/kvm_api.h"

namespace nacre::vmm {
namespace {

// There is no virtual machine here: KVM's answers are made up.
class IoEventsTest : public testing::Test {
 protected:
  static constexpr uint64_t kAddress = 0xc000'3000;

  absl::Status Bind() {
    const HostFault answer(Answer(0));
    return events_.BindKick(kAddress, 2, event_);
  }
  absl::Status Unbind(int error) {
    const HostFault answer(Answer(error));
    return events_.UnbindKick(kAddress, 2, event_);
  }

 private:
  static HostFault::Plan Answer(int error) {
    return {.first = 0, .error = error, .request = KVM_IOEVENTFD};
  }

  const EventFd event_ = EventFd::Create().value();
  IoEvents events_;
};

TEST_F(IoEventsTest, ABindingThatKvmKeepsIsKnown) {
  ASSERT_TRUE(Bind().ok());
  EXPECT_EQ(StatusErrno(Unbind(ENOMEM)), ENOMEM);
  EXPECT_TRUE(Unbind(0).ok());
  EXPECT_EQ(Unbind(0).code(), absl::StatusCode::kNotFound);
}

// KVM drops all bindings where it has no memory to drop one.
TEST_F(IoEventsTest, OneThatKvmHasDroppedIsGone) {
  ASSERT_TRUE(Bind().ok());
  EXPECT_TRUE(Unbind(ENOENT).ok());
  EXPECT_EQ(Unbind(0).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace nacre::vmm
