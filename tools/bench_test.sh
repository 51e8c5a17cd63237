#!/usr/bin/env bash
# Runs frames of guest/programs/bench as a guest's (tools/guest.sh), and checks what
# each cost in counts; tools/bench.sh is what measures times.
#   tools/bench_test.sh RESULTS
# Appends a line "PASS name" or "FAIL name: why" per check to the file.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

(($# == 1)) || fail "usage: bench_test.sh RESULTS"
environment=$(mktemp)
trap 'rm -f "$environment"' EXIT
"$tools_dir/guest.sh" >"$environment"
run_bazel build //guest/programs/bench/... >&2
built=$(cd "$root_dir" && /usr/bin/bazel info bazel-bin 2>/dev/null)
"$tools_dir/bench/check_counts.py" --programs="$built/guest/programs/bench" \
  --side="guest:$environment" >>"$1"
