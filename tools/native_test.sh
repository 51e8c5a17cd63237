#!/usr/bin/env bash
# Runs 1000 frames of each program natively (tools/native.sh), and looks at what
# they left: no buffer and no open file of the GPU, and no hang. The programs
# themselves fail if a descriptor is left.
#   tools/native_test.sh RESULTS [CHIP...]      default: a630 a660 a730
# Appends a line "PASS name" or "FAIL name" per program and chip to the file.

# shellcheck source=tools/program_tests.sh
source "$(dirname "${BASH_SOURCE[0]}")/program_tests.sh"

(($# >= 1)) || fail "usage: native_test.sh RESULTS [CHIP...]"
chips=("${@:2}")
((${#chips[@]})) || chips=(a630 a660 a730)
prepare_programs native "$1"
for chip in "${chips[@]}"; do
  a_thousand_frames "$chip" "buffers_now=0 files_now=0 hangs=0"
done
