#!/usr/bin/env bash
# Runs our programs for Mesa as a guest's (tools/guest.sh): 1000 frames of each,
# which must leave nothing of theirs in the device; those that make the GPU hang
# and fault; and the pictures, which have to be, byte for byte, those that the same
# programs make natively.
#   tools/guest_test.sh RESULTS [CHIP...]      default: a630 a660 a730
# Appends a line "PASS name" or "FAIL name" per check to the file.

# shellcheck source=tools/program_tests.sh
source "$(dirname "${BASH_SOURCE[0]}")/program_tests.sh"

(($# >= 1)) || fail "usage: guest_test.sh RESULTS [CHIP...]"
chips=("${@:2}")
((${#chips[@]})) || chips=(a630 a660 a730)
prepare_programs guest "$1"
nothing="buffers_now=0 files_now=0 contexts_now=0 resources_now=0 fences_now=0 \
mapped_bytes_now=0 errors=0 broken_queues=0"

# hangs PROGRAM FLAG...: it makes the GPU hang, and what it drew before and after
# is right. The GPU is so slow that it is taken for hung over a large picture.
hangs() {
  # shellcheck disable=SC2086  # a list of words
  runs NACRE_MEGABYTES_PER_SECOND=20 "$@" && ! summary_has hangs=0 >/dev/null &&
    summary_has $nothing
}

# same_pictures CHIP: as natively.
same_pictures() {
  local folder
  "$tools_dir/pictures.sh" --out="$scratch/native" "$1"
  "$tools_dir/pictures.sh" --guest --out="$scratch/guest" "$1"
  for folder in "$1" "$1-other"; do
    grep -v '^PASS ' "$scratch/guest/$folder.log" || true
    [[ -s $scratch/native/$folder.list ]] &&
      diff -r "$scratch/native/$folder" "$scratch/guest/$folder" ||
      return 1
  done
}

for chip in "${chips[@]}"; do
  a_thousand_frames "$chip" "$nothing hangs=0"
  verdict "$chip: pictures are as natively" same_pictures "$chip"
done
verdict "vulkan_hang" hangs vulkan_hang
verdict "gles_hang" hangs gles_hang
verdict "vulkan_fault" draws_and_leaves_nothing a660 "$nothing" vulkan_fault
