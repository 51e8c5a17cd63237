#!/usr/bin/env bash
# What each command costs the host, in instructions and in heap allocations:
# from the request popped off a ring in guest memory to its used-ring entry (the
# pop has a column of its own), through the production device and the msm
# context, over a DRM driver that does nothing; alone in its execbuffer, and as
# one of 64. Counted by callgrind, so that the figures are the same on a busy
# machine and from run to run (to 1%); they depend on compiler and libraries, and
# say nothing of cache misses or of what an instruction costs (a locked one
# counts as one). How: devices/virtio_gpu/msm/ccmd_cost.cc.
#   tools/instructions.sh [--json=FILE] [--profile=NAME]...
# A profile lists the functions that a command of the table spends them in.
# Exit code: 1 if a target is missed.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ensure_step build instructions
progress "building ccmd_cost"
run_bazel build //devices/virtio_gpu/msm:ccmd_cost >&2
built=$(cd "$root_dir" && /usr/bin/bazel info bazel-bin 2>/dev/null)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

progress "counting instructions (about ten seconds)"
# valgrind takes a `rep movsb` for as many instructions as it copies bytes; the C
# library is to copy by vectors, as it does below 2 KiB anyway.
GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=0x7fffffff \
  valgrind --quiet --tool=callgrind --callgrind-out-file="$scratch/dumps" \
  --combine-dumps=yes --dump-before=nacre_mark \
  "$built/devices/virtio_gpu/msm/ccmd_cost" >"$scratch/lines"
"$tools_dir/instructions.py" "$scratch/lines" "$scratch/dumps" "$@"
