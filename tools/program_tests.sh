# shellcheck shell=bash
# What native_test.sh and guest_test.sh share: running our programs for Mesa with
# one of the two, and looking at what they left. To be sourced.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# prepare_programs SIDE RESULTS: SIDE is native or guest. Sets the variables that
# the others use.
prepare_programs() {
  side=$1 results=$2
  readarray -t environment < <("$tools_dir/$side.sh")
  ((${#environment[@]})) || fail "cannot run programs: $side.sh says why"
  run_bazel build //guest/programs/... >&2
  built=$(cd "$root_dir" && /usr/bin/bazel info bazel-bin 2>/dev/null)
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
}

# verdict NAME COMMAND...: a result, PASS if the command succeeds.
verdict() {
  local name="$side $1" word=PASS
  shift
  progress "$name"
  "$@" >&2 || word=FAIL
  printf '%s %s\n' "$word" "$name" >>"$results"
}

# summary_has MEMBER...: of the last program's summary, NAME=NUMBER each.
summary_has() {
  local member code=0
  for member in "$@"; do
    grep -q "\"${member%=*}\": \"${member#*=}\"" "$scratch/summary" || code=1
  done
  ((code == 0)) || cat "$scratch/summary"
  return "$code"
}

# runs VARIABLE=VALUE... PROGRAM FLAG...: PROGRAM is below guest/programs. Its
# summary is for summary_has.
runs() {
  local variables=()
  while [[ $1 == *=* ]]; do
    variables+=("$1")
    shift
  done
  : >"$scratch/summary"
  timeout 120 env "${environment[@]}" "${variables[@]}" \
    NACRE_SUMMARY="$scratch/summary" "$built/guest/programs/$1" "${@:2}"
}

# draws_and_leaves_nothing CHIP LEFT PROGRAM FLAG...: LEFT is a list of members
# that have to be 0.
draws_and_leaves_nothing() {
  # shellcheck disable=SC2086  # a list of words
  runs NACRE_SIM="$1" "${@:3}" && summary_has $2
}

# a_thousand_frames CHIP LEFT: of the programs that draw.
a_thousand_frames() {
  verdict "$1: gles_frames" \
    draws_and_leaves_nothing "$1" "$2" gles_frames --frames=1000
  verdict "$1: vulkan_submits" \
    draws_and_leaves_nothing "$1" "$2" vulkan_submits --submits=1000
}
