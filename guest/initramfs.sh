#!/usr/bin/env bash
# Assembles the inner guest's initramfs: busybox, the kernel's modules, Mesa, the
# programs with the shared libraries that they need, and guest/init.
#   guest/initramfs.sh MESA MODULES PROGRAM...
# MESA is what guest/mesa.sh prints, MODULES the KERNEL_MODULES of kernel.sh.
# Prints INITRD=FILE, an uncompressed cpio: under emulation it is unpacked
# sooner than a compressed one.
# shellcheck source=guest/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

(($# >= 3)) || fail "usage: initramfs.sh MESA MODULES PROGRAM..."
mesa=$1
modules=$2
programs=("${@:3}")
for file in "$mesa/usr/lib" "$modules/lib/modules" "${programs[@]}"; do
  [[ -e $file ]] || fail "$file: no such file or folder"
done

# shared_libraries FILE...: prints the machine's own libraries that the files
# need, and those that the libraries need; Mesa's are found in $mesa.
shared_libraries() {
  local missing
  LD_LIBRARY_PATH=$mesa/usr/lib ldd "$@" >"$scratch/ldd"
  if missing=$(grep 'not found' "$scratch/ldd"); then
    fail "shared libraries are missing: $missing"
  fi
  # Lines are `NAME => PATH (ADDRESS)`, or `PATH (ADDRESS)` for the loader.
  sed -nE 's/^\t(.* => )?(\/[^ ]*) \(.*/\2/p' "$scratch/ldd" |
    grep -v "^$mesa/" | sort -u
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
    install -D -m 755 "$file" "$root$file"
  done
  pack_root "$root" "$out/initrd"
  rm -rf "$root"
}

ensure_step initramfs
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
readarray -t libraries < <(shared_libraries "${programs[@]}" \
  "$mesa"/usr/lib/*.so)
((${#libraries[@]})) || exit 1
key=$(content_key "$0" "$guest_dir/lib.sh" "$guest_dir/init" \
  "$guest_dir"/tests/* /bin/busybox "$mesa" "$modules" "${programs[@]}" \
  "${libraries[@]}")
entry=$(cached initramfs "$key" build_initramfs)
printf 'INITRD=%s\n' "$entry/initrd"
