#ifndef NACRE_BASE_STANDARD_STREAMS_H_
#define NACRE_BASE_STANDARD_STREAMS_H_

namespace nacre {

// Opens /dev/null in place of each of standard input, output and error that is
// closed, as whoever started this program may have left them: else the next
// files that it opens would be those, and get what is printed and logged. To be
// called first. Where /dev/null cannot be opened, nothing is changed.
void OpenStandardStreams();

}  // namespace nacre

#endif  // NACRE_BASE_STANDARD_STREAMS_H_
