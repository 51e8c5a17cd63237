#!/usr/bin/env bash
# Assembles the inner guest's initramfs: busybox, the kernel's modules, Mesa, the
# programs with the shared libraries that they need, and guest/init.
#   guest/initramfs.sh ARCH MESA MODULES PROGRAM...
# MESA is what guest/mesa.sh prints, MODULES the KERNEL_MODULES of kernel.sh.
# Prints INITRD=FILE, an uncompressed cpio: under emulation it is unpacked
# sooner than a compressed one.
# shellcheck source=guest/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

(($# >= 4)) || fail "usage: initramfs.sh ARCH MESA MODULES PROGRAM..."
use_architecture "$1"
mesa=$2
modules=$3
programs=("${@:4}")
for file in "$mesa/usr/lib" "$modules/lib/modules" "${programs[@]}"; do
  [[ -e $file ]] || fail "$file: no such file or folder"
done

# needed FILE...: prints the names of the shared libraries that the files need.
needed() {
  readelf --wide --dynamic "$@" |
    sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p' | sort -u
}

# find_library NAME: prints the library's path; Mesa's own come first.
find_library() {
  local folder
  for folder in "$mesa/usr/lib" "$sysroot"/{,usr/}lib/"$triplet"; do
    [[ ! -e $folder/$1 ]] || {
      printf '%s\n' "$folder/$1"
      return
    }
  done
  fail "the guest's programs need $1, which is not in $folder"
}

# shared_libraries FILE...: prints the paths of the libraries that the files
# need, and of those that the libraries need, except Mesa's. The target's own
# ldd would be simpler, but does not run everywhere.
shared_libraries() {
  local queue=("$@") names name file
  local -A seen=([${loader##*/}]=1)
  while ((${#queue[@]})); do
    names=$(needed "${queue[@]}")
    queue=()
    for name in $names; do
      [[ -z ${seen[$name]-} ]] || continue
      seen[$name]=1
      file=$(find_library "$name")
      queue+=("$file")
      [[ $file == "$mesa"/* ]] || printf '%s\n' "$file"
    done
  done
}

# interpreter PROGRAM: prints the path of its dynamic loader in the guest.
interpreter() {
  readelf --wide --program-headers "$1" |
    sed -n 's/.*\[Requesting program interpreter: \(.*\)\]$/\1/p'
}

build_initramfs() {
  local out=$1 root=$1/root file
  make_root "$root"
  install -D -m 755 "$guest_dir/init" "$root/init"
  cp -R "$guest_dir/tests" "$root/tests"
  cp -R "$modules/lib/modules" "$root/usr/lib/modules"
  cp -R "$mesa/usr" "$root/"
  install -m 755 "${programs[@]}" "$root/usr/bin/"
  for file in "${libraries[@]}"; do
    install -D -m 755 "$file" "$root${file#"$sysroot"}"
  done
  pack_root "$root" "$out/initrd"
  rm -rf "$root"
}

ensure_step initramfs
use_sysroot
loader=$(interpreter "${programs[0]}")
[[ -n $loader ]] || fail "${programs[0]}: it is not linked dynamically"
libraries=$(shared_libraries "${programs[@]}" "$mesa"/usr/lib/*.so)
mapfile -t libraries <<<"$libraries"
libraries+=("$sysroot$loader")
key=$(content_key "$0" "$guest_dir/lib.sh" "$guest_dir/init" \
  "$guest_dir"/tests/* "$sysroot/bin/busybox" "$mesa" "$modules" \
  "${programs[@]}" "${libraries[@]}")
entry=$(cached "initramfs-$arch" "$key" build_initramfs)
printf 'INITRD=%s\n' "$entry/initrd"
