#!/usr/bin/env bash
# Fuzzes whatever reads what a guest, its GPU's process or a file says: libFuzzer
# under ASan and UBSan, one fuzzer after the other, and a table at the end. What they
# find, and the corpora that they build up on top of the seeds in testdata/fuzz/ of
# each package, is in fuzz/ of the cache, and goes on growing the next time.
#   tools/fuzz.sh                    every fuzzer for a minute
#   tools/fuzz.sh command gmem       these (//devices/virtio_gpu:command_fuzzer, ...)
#   tools/fuzz.sh --seconds=N        each for so long; 0: only what there is already
#   tools/fuzz.sh --jobs=N           so many at once, 1 unless said
#   tools/fuzz.sh --coverage         and the lines of each decoder and handler that
#                                    seeds and corpora reach, those below 90 % marked
#   tools/fuzz.sh --seeds-only       of the coverage: without the corpora
#   tools/fuzz.sh --add-seeds        adds inputs to testdata/ that reach what no seed
#                                    does: few and small ones, up to 300 in all
#   tools/fuzz.sh --list             the fuzzers' names
# Exit code 0 where none found anything.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

# What one input may take, longer than any does; a slower one is a finding.
input_seconds=20
max_input_bytes=4096
max_seeds=300

seconds=60 jobs=1 coverage=0 seeds_only=0 add_seeds=0 list=0 wanted=()
for argument in "$@"; do
  case $argument in
    --seconds=*) seconds=${argument#*=} ;;
    --jobs=*) jobs=${argument#*=} ;;
    --coverage) coverage=1 ;;
    --seeds-only) coverage=1 seeds_only=1 seconds=0 ;;
    --add-seeds) add_seeds=1 ;;
    --list) list=1 ;;
    --help) usage && exit 0 ;;
    -*) fail "unknown option $argument; --help lists them" ;;
    *) wanted+=("$argument") ;;
  esac
done
[[ $seconds =~ ^[0-9]+$ ]] || fail "--seconds=$seconds is no number"
[[ $jobs =~ ^[1-9][0-9]*$ ]] || fail "--jobs=$jobs is no number of fuzzers"

ensure_step build test fuzz
fuzz_dir=$cache_dir/fuzz
findings_dir=$fuzz_dir/findings
mkdir -p "$findings_dir"
cd "$root_dir"

# Labels without _fuzzer, as cc_fuzz_target has them.
mapfile -t targets < <(run_bazel query --keep_going --noshow_progress \
  'filter("_fuzzer$", kind(cc_binary, //...))' 2>/dev/null |
  sed 's/_fuzzer$//' | sort)
if ((list)); then
  printf '%s\n' "${targets[@]##*:}"
  exit 0
fi
if ((${#wanted[@]})); then
  chosen=()
  for name in "${wanted[@]}"; do
    name=${name%_fuzzer} found=0
    for target in "${targets[@]}"; do
      [[ $target == "$name" || ${target##*:} == "${name##*:}" &&
        $name != //* ]] || continue
      chosen+=("$target") found=1
    done
    ((found)) || fail "no fuzzer $name; --list lists them"
  done
  targets=("${chosen[@]}")
fi
((${#targets[@]})) || fail "no fuzzers"

# paths_of TARGET: sets what there is of it. kernel_image is one in two packages.
paths_of() {
  local package=${1%%:*}
  package=${package#//}
  name=${1##*:}
  relative=$package/$name
  seeds=$package/testdata/fuzz/$name
  corpus=$fuzz_dir/$package/$name
  log=$fuzz_dir/$package/$name.log
  mkdir -p "$corpus"
}

export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1

if ((seconds || add_seeds)); then
  progress "building ${#targets[@]} fuzzers"
  run_bazel build --config=fuzz "${targets[@]/%/_fuzzer}" >&2
  fuzz_bin=$(/usr/bin/bazel info --config=fuzz bazel-bin 2>/dev/null)
fi

# fuzz TARGET: adds its row to $table.
fuzz() {
  paths_of "$1"
  local found began=$SECONDS findings=$findings_dir/$relative
  mkdir -p "$findings"
  touch "$scratch/${relative//\//.}"
  progress "$1 for $seconds s"
  # A finding ends it; the table says so.
  {
    local TIMEFORMAT='processor: %U %S'
    time "$fuzz_bin/${relative}_fuzzer" -max_total_time="$seconds" \
      -timeout="$input_seconds" -report_slow_units="$input_seconds" \
      -rss_limit_mb=4096 -max_len="$max_input_bytes" -print_final_stats=1 \
      -artifact_prefix="$findings/" \
      "$corpus" "$seeds" >"$log" 2>&1 || true
  } 2>"$log.time"
  found=$(find "$findings" -type f -newer "$scratch/${relative//\//.}" | wc -l)
  ((found == 0)) || progress "$1 found something: $log"
  awk -v name="${1#//}" -v found="$found" -v seconds=$((SECONDS - began)) '
    /cov: [0-9]+/ { for (i = 1; i < NF; ++i) if ($i == "cov:") edges = $(i + 1) }
    /^stat::number_of_executed_units/ { units = $2 }
    /^processor: / { processor = $2 + $3 }
    END {
      printf "%-40s %7d %11d %11d %7d %9d\n", name, seconds, processor, units,
        edges, found
    }' "$log" "$log.time" >>"$table"
}

# add_seeds TARGET: from its corpus to testdata.
add_seeds() {
  paths_of "$1"
  progress "choosing seeds of $1"
  mkdir -p "$seeds"
  local -i room
  room=$((max_seeds - $(find "$seeds" -type f | wc -l)))
  local merged=$scratch/merged
  rm -rf "$merged"
  mkdir "$merged"
  cp -r "$seeds/." "$merged"
  # One an edge is enough, however often it is taken.
  "$fuzz_bin/${relative}_fuzzer" -set_cover_merge=1 -use_counters=0 \
    -timeout="$input_seconds" -max_len="$max_input_bytes" "$merged" "$corpus" \
    >"$log.merge" 2>&1
  find "$merged" -type f -printf '%s %f\n' | sort -n | cut -d' ' -f2 |
    while read -r file; do
      [[ ! -e $seeds/$file ]] || continue
      ((room-- > 0)) || break
      cp "$merged/$file" "$seeds/$file"
    done
}

# What decodes what is not trusted, and what handles it.
decoders() {
  printf '%s\n' base/{bytes,checked}.h \
    devices/virtio/{common_config,descriptor_chain,virtqueue}.{cc,h} \
    devices/virtio/mmio_transport.{cc,h} \
    devices/virtio/pci_{capabilities,notify_bar,transport}.{cc,h} \
    devices/virtio/remote/{channel,device_server,messages}.{cc,h} \
    devices/virtio/remote/{remote_device,service_client}.{cc,h} \
    devices/virtio_gpu/{backing,command,context_table,dispatcher}.{cc,h} \
    devices/virtio_gpu/executor{,_2d,_claims,_contexts,_resources}.{cc,h} \
    devices/virtio_gpu/{fence_reactor,gpu_device}.{cc,h} \
    devices/virtio_gpu/{host_visible_window,picture,rings}.{cc,h} \
    devices/virtio_gpu/{relay,request_buffer,resource_table}.{cc,h} \
    devices/virtio_gpu/{response,scanouts,session}.{cc,h} \
    devices/virtio_gpu/{fence_timelines,parking}.h \
    devices/virtio_gpu/msm/{attached_objects,busy_objects,ccmd}.{cc,h} \
    devices/virtio_gpu/msm/{ccmd_cost,context,context_ccmds}.{cc,h} \
    devices/virtio_gpu/msm/{context_type,fault_reporter,gem}.{cc,h} \
    devices/virtio_gpu/msm/{gem_blob,object_table,shmem}.{cc,h} \
    devices/virtio_gpu/msm/submit{_check,_translator,queues}.{cc,h} \
    devices/virtio_gpu/msm/{unfinished_work,upload_mappings}.{cc,h} \
    nacre/{config,flags,foreign_summary}.{cc,h} nacre/jail/foreign_lines.{cc,h} \
    simulator/{address_space,buffer,buffer_pool}.{cc,h} \
    simulator/blit_2d{,_registers}.{cc,h} \
    simulator/{command_processor,cp_state,draw_state}.{cc,h} \
    simulator/{condition,event,memory,wait}_packets.{cc,h} \
    simulator/{format,gmem,gpu_memory,handle_table,pm4}.{cc,h} \
    simulator/{range_allocator,register_file,reservation}.{cc,h} \
    simulator/{sampling,scheduler,simulated_device}.{cc,h} \
    simulator/{simulated_file,small_float,srgb}.{cc,h} \
    simulator/{submission,submit_queue,surface}.{cc,h} \
    vmm/pci/{bar,config_space,msix,pci_bus,pci_device}.{cc,h} \
    vmm/{aarch64,x86_64}/kernel_image.{cc,h} vmm/serial.{cc,h}
}

# Runs the inputs once more, compiled to count lines, and prints how many of
# each file were reached.
report_coverage() {
  local target binaries=() objects=() bin
  progress "building ${#targets[@]} fuzzers that count lines"
  run_bazel build --config=coverage-of-fuzzers \
    "${targets[@]/%/_replay_test}" >&2
  bin=$(/usr/bin/bazel info --config=coverage-of-fuzzers bazel-bin 2>/dev/null)
  for target in "${targets[@]}"; do
    paths_of "$target"
    binaries+=("$bin/${relative}_replay_test")
    local inputs=("$seeds")
    ((seeds_only)) || inputs+=("$corpus")
    progress "counting lines of $target"
    find "${inputs[@]}" -type f -print0 2>/dev/null |
      LLVM_PROFILE_FILE=$scratch/%m.profraw \
        xargs -0 -r "$bin/${relative}_replay_test" >"$log.replay" 2>&1 ||
      fail "$target fails: $log.replay"
  done
  llvm-profdata-14 merge -o "$scratch/lines.profdata" "$scratch"/*.profraw
  for bin in "${binaries[@]:1}"; do objects+=("-object=$bin"); done
  # The compiler ran in a sandbox, whose files are named as if from here.
  llvm-cov-14 export -summary-only -instr-profile="$scratch/lines.profdata" \
    "${binaries[0]}" "${objects[@]}" >"$scratch/lines.json"
  decoders >"$scratch/decoders"
  python3 - "$scratch/lines.json" "$scratch/decoders" <<'PYTHON'
import json
import sys

with open(sys.argv[2]) as listed:
    wanted = set(listed.read().split())
rows = []
for file in json.load(open(sys.argv[1]))["data"][0]["files"]:
    name = file["filename"].split("/proc/self/cwd/")[-1]
    lines = file["summary"]["lines"]
    if name in wanted and lines["count"]:
        rows.append((name, lines["count"], lines["covered"]))
print(f"{'file':<52} {'lines':>6} {'reached':>8} {'%':>6}")
for name, count, covered in sorted(rows):
    share = 100 * covered / count
    mark = "" if share >= 90 else "  below 90"
    print(f"{name:<52} {count:>6} {covered:>8} {share:>6.1f}{mark}")
count, covered = (sum(row[i] for row in rows) for i in (1, 2))
print(f"{'total':<52} {count:>6} {covered:>8} {100 * covered / max(count, 1):>6.1f}")
PYTHON
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
table=$scratch/table
found_before=$(find "$findings_dir" -type f | wc -l)
if ((seconds)); then
  for target in "${targets[@]}"; do
    while (($(jobs -pr | wc -l) >= jobs)); do wait -n; done
    fuzz "$target" &
  done
  wait
fi
if ((add_seeds)); then
  for target in "${targets[@]}"; do add_seeds "$target"; done
fi
((!coverage)) || report_coverage
if [[ -e $table ]]; then
  printf '\n%-40s %7s %11s %11s %7s %9s\n' fuzzer seconds processor-s \
    executions edges findings
  sort "$table"
fi
found=$(($(find "$findings_dir" -type f | wc -l) - found_before))
((found == 0)) || fail "$found findings, in $findings_dir"
