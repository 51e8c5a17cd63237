# shellcheck shell=bash
# What the guest scripts share: the libraries of tools/ and root file systems. To
# be sourced; sets the shell's options. Standard output of the scripts is for
# results (KEY=VALUE lines), standard error for people.

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

# ensure_step STEP...: the packages that guest/packages.txt lists.
ensure_step() {
  local packages
  packages=$(listed_packages "$guest_dir/packages.txt" "$@")
  # shellcheck disable=SC2086  # one word a package
  ensure_packages $packages || fail "cannot go on without those packages"
}

# --- Root file systems -----------------------------------------------------

# make_root DIR: an empty root with busybox under all of its names. /bin, /lib
# and so on are links into /usr, as Debian has them.
make_root() {
  local root=$1 name
  mkdir -p "$root"/{dev,proc,sys,tmp,root,usr/{bin,lib,lib64,sbin}}
  for name in bin lib lib64 sbin; do
    ln -s "usr/$name" "$root/$name"
  done
  cp /bin/busybox "$root/usr/bin/busybox"
  /bin/busybox --list | while IFS= read -r name; do
    [[ $name == busybox ]] || ln -s busybox "$root/usr/bin/$name"
  done
}

# pack_root DIR FILE: the folder as a cpio that is the same for the same content.
pack_root() {
  find "$1" -exec touch -h -d @0 {} +
  (cd "$1" && find . -print0 | sort -z |
    cpio --null --create --quiet --format=newc --reproducible --owner=0:0) >"$2"
}
