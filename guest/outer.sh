#!/usr/bin/env bash
# Assembles the initramfs of the outer machine (see guest/nested.sh).
#   guest/outer.sh ARCH MODULES
# MODULES is the OUTER_KERNEL_MODULES of kernel.sh. Prints OUTER_INITRD=FILE.
# shellcheck source=guest/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

(($# == 2)) || fail "usage: outer.sh ARCH MODULES"
use_architecture "$1"
modules=$2
[[ -d $modules/lib/modules ]] || fail "$modules: has no lib/modules"

build_outer() {
  local out=$1 root=$1/root
  make_root "$root"
  mkdir "$root"/{out,payload}
  install -m 755 "$guest_dir/outer/init" "$root/init"
  cp -R "$modules/lib/modules" "$root/usr/lib/modules"
  pack_root "$root" "$out/initrd"
  rm -rf "$root"
}

ensure_step outer
use_sysroot
key=$(content_key "$0" "$guest_dir/lib.sh" "$guest_dir/outer/init" \
  "$sysroot/bin/busybox" "$modules")
entry=$(cached outer "$key" build_outer)
printf 'OUTER_INITRD=%s\n' "$entry/initrd"
