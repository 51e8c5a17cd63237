#!/usr/bin/env bash
# Soaks the device: a guest's programs that make contexts, buffers, submissions and
# fences and die, over real virtqueues, with the simulated GPU, while their kernel
# resets the device now and then. What the process holds at the end (memory,
# descriptors, mappings, threads) must be what it held at the start. A line of
# progress every ten seconds.
#   tools/soak.sh                    an hour or a million contexts, whichever is first
#   tools/soak.sh --seconds=N        or so long
#   tools/soak.sh --contexts=N       or so many
#   tools/soak.sh --jail             with the device in its jail, of both processes
# Exit code 0 where nothing is left over.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds=3600 contexts=1000000 jail=()
for argument in "$@"; do
  case $argument in
    --seconds=*) seconds=${argument#*=} ;;
    --contexts=*) contexts=${argument#*=} ;;
    --jail) jail=(--jail) ;;
    *) fail "unknown option $argument; the first lines of $0 list them" ;;
  esac
done
[[ $seconds =~ ^[0-9]+$ ]] || fail "--seconds=$seconds is no number"
[[ $contexts =~ ^[0-9]+$ ]] || fail "--contexts=$contexts is no number"

ensure_step build
progress "building the soak"
run_bazel build //nacre/stress:soak >&2
built=$(cd "$root_dir" && /usr/bin/bazel info bazel-bin 2>/dev/null)
# At the lowest priority: it takes long, and others want to work.
exec nice -n 19 "$built/nacre/stress/soak" "${jail[@]}" "$seconds" "$contexts"
