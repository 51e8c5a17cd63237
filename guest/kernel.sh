#!/usr/bin/env bash
# Fetches two stock Debian kernels and takes out of them what we boot:
#   inner: 6.12, standard flavour (it has DRM), the guest of our own VMM;
#   outer: 6.1, cloud flavour (boots fastest), which gives /dev/kvm on machines
#          without hardware virtualization (guest/nested.sh).
#   guest/kernel.sh ARCH
# Prints KERNEL_IMAGE, KERNEL_MODULES, KERNEL_VERSION and the same with OUTER_;
# on x86_64 KERNEL_BZIMAGE too. The image is what boots soonest: the vmlinux
# within the bzImage, and on aarch64 the Image, which Debian does not compress. A
# modules folder has lib/modules/VERSION with the modules below, what they need,
# and modules.dep, all uncompressed.
# shellcheck source=guest/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# What is a module in that kernel and not built in. virtio_pci, virtio_console
# and the clock are built into 6.12; ext4 is built into the outer one.
inner_modules=(virtio-gpu virtio_blk virtio_input virtio_mmio virtio-rng)
outer_modules=(virtio_pci virtio_blk)
(($# == 1)) || fail "usage: kernel.sh ARCH"
use_architecture "$1"
[[ $arch != x86_64 ]] || outer_modules+=(kvm-amd) # elsewhere KVM is built in

# image_package META SUITE: prints the package that the meta package stands for.
image_package() {
  private_apt apt-cache show --no-all-versions -t "$2" "$1" 2>/dev/null |
    sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p'
}

# unpack_bzimage BZIMAGE: writes the vmlinux ELF within it to standard output
# (Documentation/arch/x86/boot.rst: setup_sects, payload_offset and _length).
unpack_bzimage() {
  local image=$1 sectors offset length magic
  sectors=$(od -An -tu1 -j $((0x1f1)) -N1 "$image")
  offset=$(od -An -tu4 -j $((0x248)) -N4 "$image")
  length=$(od -An -tu4 -j $((0x24c)) -N4 "$image")
  offset=$(((sectors + 1) * 512 + offset))
  magic=$(od -An -tx4 -j "$offset" -N4 "$image")
  # The payload's last four bytes are its uncompressed size.
  dd if="$image" bs=64K iflag=skip_bytes,count_bytes status=none \
    skip="$offset" count=$((length - 4)) |
    case ${magic// /} in
      fd2fb528) zstd -dc ;;
      587a37fd) xz -dc ;;
      184c2102) lz4 -dc ;;
      *) fail "$image: its payload is neither zstd nor xz nor lz4" ;;
    esac
}

# copy_modules FROM TO VERSION MODULE...: with dependencies, uncompressed.
copy_modules() {
  local from=$1 to=$2 version=$3 module file target
  shift 3
  depmod -b "$from" "$version"
  for module in "$@"; do
    # A line is `insmod PATH` or `builtin NAME`.
    modprobe -d "$from" -S "$version" --show-depends "$module"
  done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u |
    while IFS= read -r file; do
      target=$to${file#"$from"}
      mkdir -p "${target%/*}"
      case $file in
        *.xz) xz -dc "$file" >"${target%.xz}" ;;
        *.zst) zstd -qdc "$file" >"${target%.zst}" ;;
        *) cp "$file" "$target" ;;
      esac
    done
  cp "$from/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} \
    "$to/lib/modules/$version/"
  depmod -b "$to" "$version"
}

# make_image VMLINUZ OUT: OUT/image, and what else KERNEL_ has of the kernel.
make_image() {
  local vmlinuz=$1 out=$2
  if [[ $arch == x86_64 ]]; then
    cp "$vmlinuz" "$out/bzImage"
    unpack_bzimage "$vmlinuz" >"$out/image"
    [[ $(head -c 4 "$out/image") == $'\x7fELF' ]] ||
      fail "$package: the payload of its bzImage is not an ELF file"
  else
    cp "$vmlinuz" "$out/image"
    [[ $(dd if="$vmlinuz" bs=4 skip=14 count=1 status=none) == $'ARM\x64' ]] ||
      fail "$package: its vmlinuz is not an uncompressed arm64 Image"
  fi
}

# build_kernel OUT: from $package, $version and $modules.
build_kernel() {
  local out=$1 deb unpacked=$1/unpacked release=${package#linux-image-}
  deb=$(download_package "$package" "$version" "$out")
  progress "$package: unpacking"
  dpkg-deb -x "$deb" "$unpacked"
  make_image "$unpacked/boot/vmlinuz-$release" "$out"
  copy_modules "$unpacked" "$out/modules" "$release" "${modules[@]}"
  printf '%s\n' "$release" >"$out/release"
  rm -rf "$unpacked" "$deb"
}

# kernel NAME META SUITE VERSION_PATTERN MODULE...
kernel() {
  local name=$1 meta=$2 suite=$3 pattern=$4 entry
  modules=("${@:5}")
  version=$(package_version "$meta" "$suite")
  # shellcheck disable=SC2053  # a pattern
  [[ $version == $pattern ]] ||
    fail "needs $meta $pattern from $suite; the archive has" \
      "${version:-none}"
  package=$(image_package "$meta" "$suite")
  [[ -n $package ]] || fail "$meta $version depends on no linux-image package"
  entry=$(cached "${name,,}" "$(content_key "$0" "$package" "$version" \
    "${modules[*]}")" build_kernel)
  printf '%s\n' "${name}_IMAGE=$entry/image" \
    "${name}_MODULES=$entry/modules" "${name}_VERSION=$(cat "$entry/release")"
  [[ ! -f $entry/bzImage ]] || printf '%s\n' "${name}_BZIMAGE=$entry/bzImage"
}

ensure_step kernel
use_apt_architecture "$debian_architecture"
prepare_apt
kernel KERNEL "linux-image-$debian_architecture" bookworm-backports '6.12.*' \
  "${inner_modules[@]}"
kernel OUTER_KERNEL "linux-image-cloud-$debian_architecture" bookworm \
  '6.1.*' "${outer_modules[@]}"
