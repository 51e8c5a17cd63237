# shellcheck shell=bash
# What the guest scripts share: the libraries of tools/, the architecture that
# the guest is made for, and root file systems. To be sourced; sets the shell's
# options. Standard output of the scripts is for results (KEY=VALUE lines),
# standard error for people.

guest_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/lib.sh
source "$guest_dir/../tools/lib.sh"

export LC_ALL=C
# The distribution's own tools, before any that a developer put in front.
export PATH=/usr/bin:/usr/sbin:/bin:/sbin:$PATH

# shellcheck source=tools/cache.sh
source "$guest_dir/../tools/cache.sh"
# shellcheck source=tools/apt.sh
source "$guest_dir/../tools/apt.sh"

# --- The architecture ------------------------------------------------------

# use_architecture ARCH: what the guest is made for, x86_64 or aarch64. Sets
# `arch`, and what Debian and the compilers call it: `debian_architecture` and
# `triplet`.
# shellcheck disable=SC2034  # the scripts that source this use them
use_architecture() {
  arch=$1
  triplet=$arch-linux-gnu
  case $arch in
    x86_64) debian_architecture=amd64 ;;
    aarch64) debian_architecture=arm64 ;;
    *) fail "architecture $arch: it must be x86_64 or aarch64" ;;
  esac
}

# use_sysroot: sets `sysroot`, the folder under which the architecture's
# libraries and busybox are ('' if they are this machine's own), and `runner`,
# the command that runs its static programs here (none if the machine itself).
use_sysroot() {
  sysroot='' runner=()
  [[ $arch != "$(uname -m)" ]] || return 0
  [[ $arch == aarch64 ]] ||
    fail "the guest for $arch can be made on an $arch machine only"
  sysroot=$("$tools_dir/sysroot.sh")
  runner=(qemu-aarch64-static)
}

# --- Root file systems -----------------------------------------------------

# make_root DIR: an empty root with the sysroot's busybox under all of its names.
# /bin, /lib and so on are links into /usr, as Debian has them.
make_root() {
  local root=$1 name
  mkdir -p "$root"/{dev,proc,sys,tmp,root,usr/{bin,lib,lib64,sbin}}
  for name in bin lib lib64 sbin; do
    ln -s "usr/$name" "$root/$name"
  done
  cp "$sysroot/bin/busybox" "$root/usr/bin/busybox"
  "${runner[@]}" "$sysroot/bin/busybox" --list | while IFS= read -r name; do
    [[ $name == busybox ]] || ln -s busybox "$root/usr/bin/$name"
  done
}

# pack_root DIR FILE: the folder as a cpio that is the same for the same content.
pack_root() {
  find "$1" -exec touch -h -d @0 {} +
  (cd "$1" && find . -print0 | sort -z |
    cpio --null --create --quiet --format=newc --reproducible --owner=0:0) >"$2"
}
