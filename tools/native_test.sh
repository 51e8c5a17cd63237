#!/usr/bin/env bash
# Runs 1000 frames of each program natively (tools/native.sh), and looks at what
# they left: no buffer and no open file of the GPU, and no hang. The programs
# themselves fail if a descriptor is left.
#   tools/native_test.sh RESULTS [CHIP...]      default: a630 a660 a730
# Appends a line "PASS name" or "FAIL name" per program and chip to the file.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

(($# >= 1)) || fail "usage: native_test.sh RESULTS [CHIP...]"
results=$1
chips=("${@:2}")
((${#chips[@]})) || chips=(a630 a660 a730)
programs=("gles_frames --frames=1000" "vulkan_submits --submits=1000")

readarray -t native < <("$tools_dir/native.sh")
((${#native[@]})) || fail "cannot run programs natively"
run_bazel build //guest/programs:{gles_frames,vulkan_submits} >&2
built=$(cd "$root_dir" && /usr/bin/bazel info bazel-bin 2>/dev/null)
summary=$(mktemp)
trap 'rm -f "$summary"' EXIT

for chip in "${chips[@]}"; do
  for program in "${programs[@]}"; do
    name="native $chip: ${program%% *}"
    progress "$name"
    : >"$summary"
    verdict=PASS
    # shellcheck disable=SC2086  # the program and its flag
    timeout 120 env "${native[@]}" NACRE_SIM="$chip" NACRE_SUMMARY="$summary" \
      "$built/guest/programs/"$program >&2 || verdict=FAIL
    for number in buffers_now files_now hangs; do
      grep -q "\"$number\": \"0\"" "$summary" || verdict=FAIL
    done
    [[ $verdict == PASS ]] || cat "$summary" >&2
    printf '%s %s\n' "$verdict" "$name" >>"$results"
  done
done
