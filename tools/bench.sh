#!/usr/bin/env bash
# Measures what a guest's way to the GPU costs: the same programs with the same Mesa on
# the same simulated GPU, natively (tools/native.sh) and as a guest (tools/guest.sh), in
# turns. docs/performance.md says what the figures mean.
#   tools/bench.sh                   all cases, five times each: about five minutes
#   tools/bench.sh --quick           once and for a shorter time: half a minute
#   tools/bench.sh --only=WORD       the cases with that in their names
#   tools/bench.sh --repetitions=N
#   tools/bench.sh --realtime        before all else that the machine does (SCHED_RR,
#                                    for root): on a machine that is not idle
#   tools/bench.sh --self-check      natively and natively again: the noise
#   tools/bench.sh --out=DIR         where bench.json and bench.png go; otherwise
#                                    bench/ in the cache

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

second=guest out=$cache_dir/bench options=()
for argument in "$@"; do
  case $argument in
    --quick | --realtime | --only=?* | --repetitions=?*) options+=("$argument") ;;
    --self-check) second=native ;;
    --out=?*) out=${argument#*=} ;;
    *) fail "unknown option $argument; the first lines of $0 list them" ;;
  esac
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for side in native "$second"; do
  "$tools_dir/$side.sh" >"$scratch/$side"
done
progress "building the programs"
run_bazel build //guest/programs/bench/... >&2
built=$(cd "$root_dir" && /usr/bin/bazel info bazel-bin 2>/dev/null)

name=$second
[[ $second != native ]] || name=again
"$tools_dir/bench/run.py" --programs="$built/guest/programs/bench" --out="$out" \
  --side="native:$scratch/native" --side="$name:$scratch/$second" "${options[@]}"
