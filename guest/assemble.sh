#!/usr/bin/env bash
# Assembles all that the guest is made of and prints where it is: KEY=VALUE lines
# of kernel.sh, mesa.sh, initramfs.sh and, with --outer, outer.sh. What the cache
# holds is not made again.
#   guest/assemble.sh ARCH [--outer] PROGRAM...
# PROGRAM... are the built programs of guest/programs.
# shellcheck source=guest/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

arch=${1-}
shift || true
outer=false
if [[ ${1-} == --outer ]]; then
  outer=true
  shift
fi
(($#)) || fail "usage: assemble.sh ARCH [--outer] PROGRAM..."

# value NAME: of the KEY=VALUE lines read so far.
value() { sed -n "s/^$1=//p" <<<"$result"; }

result=$("$guest_dir/kernel.sh" "$arch")
result+=$'\n'$("$guest_dir/mesa.sh" "$arch")
result+=$'\n'$("$guest_dir/initramfs.sh" "$arch" "$(value MESA)" \
  "$(value KERNEL_MODULES)" "$@")
if $outer; then
  result+=$'\n'$("$guest_dir/outer.sh" "$arch" "$(value OUTER_KERNEL_MODULES)")
fi
printf '%s\n' "$result"
