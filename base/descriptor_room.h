#ifndef NACRE_BASE_DESCRIPTOR_ROOM_H_
#define NACRE_BASE_DESCRIPTOR_ROOM_H_

namespace nacre {

// Prepares the process for thousands of open descriptors: raises its soft limit
// to the hard one, and has the kernel make its table large, 4096 places (32
// KiB) or as many as the limit allows. To be called once, before there are
// threads: with threads, each time that a table grows, whoever opens the
// descriptor waits for some 10 ms until no CPU can look at the old one (Linux's
// expand_fdtable), and tables do not shrink again.
//
// Where the system refuses, nothing is changed.
void MakeRoomForDescriptors();

}  // namespace nacre

#endif  // NACRE_BASE_DESCRIPTOR_ROOM_H_
