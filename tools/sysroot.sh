#!/usr/bin/env bash
# Prints the path of a Debian bookworm for arm64, unpacked but never run: the
# libraries that an aarch64 build on another machine links with, and what its
# guest is made of. The packages (`sysroot` in packages.txt, with all that they
# depend on) come from the machine's Debian mirror and are kept in the cache
# under a key made of their versions and of the cross compiler's.
#
# Also points the link sysroot-aarch64 in the cache folder at it; that is where
# a `bazel build --config=aarch64` typed by hand finds it.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tools/cache.sh
source "$tools_dir/cache.sh"
# shellcheck source=tools/apt.sh
source "$tools_dir/apt.sh"

# install ARGUMENT...: apt-get install, as on a machine with nothing installed,
# up to the download.
install() {
  # shellcheck disable=SC2046  # one word a package
  private_apt apt-get -qq install --download-only --no-install-recommends \
    "$@" $(listed_packages sysroot)
}

# Absolute links would lead out of the sysroot, into the machine's own files.
make_links_relative() {
  local root=$1 link target
  find "$root" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
    target=$(readlink "$link")
    ln -sfn "$(realpath --canonicalize-missing --no-symlinks \
      --relative-to="$(dirname "$link")" "$root$target")" "$link"
  done
}

build_sysroot() {
  local out=$1 name deb
  progress "fetching Debian's arm64 libraries (about 90 MB)"
  install >&2 || {
    rm -f "$apt_dir/updated" # the lists may be older than the archive
    fail "cannot fetch arm64 packages from the Debian archive; a second run reads new package lists"
  }
  progress "unpacking them"
  # As the installer does it: packages ship /lib/..., which is in /usr.
  for name in bin lib sbin; do
    mkdir -p "$out/usr/$name"
    ln -s "usr/$name" "$out/$name"
  done
  while IFS= read -r deb; do
    # Through tar, which keeps links to folders; dpkg-deb -x replaces them.
    dpkg-deb --fsys-tarfile "$apt_dir/archives/$deb" |
      tar -x -C "$out" --keep-directory-symlink --no-same-owner \
        --exclude='./usr/share/doc' --exclude='./usr/share/man'
    rm "$apt_dir/archives/$deb"
  done < <(cut -d' ' -f2 <<<"$archives")
  make_links_relative "$out"
}

ensure_step cross
use_apt_architecture arm64
prepare_apt
# 'URI' FILE SIZE HASH lines; none of what is already fetched.
archives=$(install --print-uris -o Dir::Cache::archives=/nonexistent/) ||
  fail "Debian's arm64 archive lacks a package that tools/packages.txt lists"
# The cross compiler has the C library's headers: Bazel, which sees none of all
# this but the path, compiles anew with another.
key=$(content_key "$(declare -f build_sysroot make_links_relative)" \
  "$(cut -d' ' -f2,4 <<<"$archives")" \
  "$(dpkg-query -W g++-12-aarch64-linux-gnu libc6-dev-arm64-cross \
    linux-libc-dev-arm64-cross)")
entry=$(cached sysroot-arm64 "$key" build_sysroot)
ln -sfn "${entry##*/}" "$cache_dir/sysroot-aarch64"
printf '%s\n' "$entry"
