#ifndef NACRE_SIMULATOR_SUBMISSION_H_
#define NACRE_SIMULATOR_SUBMISSION_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "simulator/address_space.h"
#include "simulator/buffer.h"
#include "simulator/handle_table.h"
#include "simulator/job.h"
#include "simulator/reservation.h"

namespace nacre::simulator {

// How a submission uses one of its buffers.
struct BufferUse {
  Reservation::Use use = Reservation::Use::kRead;
  bool implicit = true;  // Waits for what other contexts do with it.
};

// A GEM_SUBMIT that has passed the checks of its tables.
struct Submission {
  std::vector<std::shared_ptr<Buffer>> buffers;
  std::vector<BufferUse> uses;  // Of `buffers`, in their order.
  std::vector<Job::Command> commands;
};

// GEM_SUBMIT's flags (abi C.7 row 4): EINVAL for another pipe, unknown flags
// and SUDO.
absl::Status CheckSubmitFlags(uint32_t flags);

// GEM_SUBMIT's tables (abi C.7 rows 10 to 15, in that order; the first that
// fails gives the errno): EINVAL, EALREADY for a buffer listed twice, ENOSPC.
// Gives addresses to the buffers that have none, which they keep even if the
// submission fails.
absl::StatusOr<Submission> PrepareSubmission(const msm::SubmitRequest& request,
                                             const HandleTable& handles,
                                             AddressSpace& space);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_SUBMISSION_H_
