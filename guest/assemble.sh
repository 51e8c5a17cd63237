#!/usr/bin/env bash
# Assembles all that the guest is made of and prints where it is: KEY=VALUE lines
# of kernel.sh, mesa.sh, initramfs.sh and, with --outer, outer.sh. What the cache
# holds is not made again.
#   guest/assemble.sh [--outer] PROGRAM...
# PROGRAM... are the built programs of guest/programs.
# shellcheck source=guest/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

outer=false
if [[ ${1:-} == --outer ]]; then
  outer=true
  shift
fi
(($#)) || fail "usage: assemble.sh [--outer] PROGRAM..."

# value NAME: of the KEY=VALUE lines read so far.
value() { sed -n "s/^$1=//p" <<<"$result"; }

result=$("$guest_dir/kernel.sh")
result+=$'\n'$("$guest_dir/mesa.sh")
result+=$'\n'$("$guest_dir/initramfs.sh" "$(value MESA)" \
  "$(value KERNEL_MODULES)" "$@")
if $outer; then
  result+=$'\n'$("$guest_dir/outer.sh" "$(value OUTER_KERNEL_MODULES)")
fi
printf '%s\n' "$result"
