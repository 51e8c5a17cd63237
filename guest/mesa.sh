#!/usr/bin/env bash
# Builds Debian's Mesa source, unmodified, with freedreno and turnip and their
# virtio kernel backend, which Debian's own packages leave out.
#   guest/mesa.sh ARCH
# Prints MESA=DIR: a tree to copy over the guest's root (usr/lib, usr/share).
# shellcheck source=guest/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

(($# == 1)) || fail "usage: mesa.sh ARCH"
use_architecture "$1"

# In order of preference.
readonly suites=(bookworm-backports trixie)
readonly minimum_version=25.0

# Without X, Wayland, LLVM and caches: surfaceless EGL and Vulkan only. -O1
# compiles in two thirds of the time of -O2 and the guest is not what we measure.
# shellcheck disable=SC2054  # the comma is meson's
options=(
  --prefix=/usr --libdir=lib --wrap-mode=nofallback
  -Dbuildtype=plain -Doptimization=1 -Ddebug=false -Db_ndebug=true
  -Dgallium-drivers=freedreno -Dvulkan-drivers=freedreno
  -Dfreedreno-kmds=msm,virtio
  -Dplatforms= -Degl-native-platform=surfaceless
  -Degl=enabled -Dgbm=enabled -Dglx=disabled -Dglvnd=disabled
  -Dopengl=true -Dgles1=disabled -Dgles2=enabled
  -Dllvm=disabled -Dvideo-codecs= -Dvulkan-layers= -Dtools=
  -Dgallium-va=disabled -Dgallium-vdpau=disabled -Dgallium-xa=disabled
  -Dgallium-nine=false -Dgallium-opencl=disabled -Dgallium-rusticl=false
  -Dosmesa=false -Dshader-cache=disabled -Dzstd=disabled -Dzlib=enabled
  -Dexpat=disabled -Dxmlconfig=disabled -Dvalgrind=disabled
  -Dlibunwind=disabled -Dlmsensors=disabled -Dselinux=false
  -Dbuild-tests=false -Dperfetto=false -Dandroid-libbacktrace=disabled
  -Dhtml-docs=disabled
)

# source_version SUITE: prints Mesa's source version there, or nothing.
source_version() {
  private_apt apt-get -qq source --print-uris --only-source "mesa/$1" \
    2>/dev/null | sed -n "s/.* mesa_\([^ ]*\)\.dsc .*/\1/p"
}

# candidates: prints the versions to try, best first.
candidates() {
  local suite version
  for suite in "${suites[@]}"; do
    version=$(source_version "$suite") || version=
    if [[ -n $version ]] &&
      dpkg --compare-versions "$version" ge "$minimum_version"; then
      printf '%s\n' "$version"
    fi
  done
}

# fetch_source DIR: downloads the first candidate that the archive really
# has (it lists some that it does not) and prints its version.
fetch_source() (
  cd "$1"
  for version in "${versions[@]}"; do
    progress "mesa: fetching the source of $version (45 MB)"
    if private_apt apt-get -qq source --only-source --download-only \
      "mesa=$version" >&2; then
      printf '%s\n' "$version"
      return
    fi
    progress "mesa: the archive does not carry $version"
    rm -f mesa_*.dsc
  done
  rm -f "$apt_dir/updated" # the lists may be older than the archive
  fail "cannot fetch Mesa's source; tried ${versions[*]}"
)

# Runs a command with its output in LOG; a line every 15 s says how far it is.
run_with_status() {
  local log=$1 line last=-15
  shift
  "$@" 2>&1 | tee -a "$log" | while IFS= read -r line; do
    [[ $line =~ ^\[([0-9]+/[0-9]+)\] ]] || continue
    ((SECONDS - last >= 15)) || continue
    last=$SECONDS
    progress "mesa: ${BASH_REMATCH[1]} steps, ${SECONDS}s"
  done || {
    tail -n 40 "$log" >&2
    fail "building Mesa failed; the whole log is $log"
  }
}

# Debian bookworm's meson is too old for Mesa 25, so a newer one is unpacked
# beside the source and not installed. The build itself calls it too.
meson() {
  /usr/bin/python3 "$work/meson/usr/bin/meson" "$@"
}

# Resumes where an interrupted run stopped: the work folder stays until done.
build_mesa() {
  local out=$1 log=$work/build.log
  mkdir -p "$work"
  if [[ ! -d $work/source ]]; then
    rm -rf "${work:?}"/*
    fetch_source "$work" >"$work/version"
    dpkg-source --no-check -x "$work"/mesa_*.dsc "$work/unpacked" >"$log"
    deb=$(download_package meson "$meson_version" "$work")
    dpkg-deb -x "$deb" "$work/meson"
    mv "$work/unpacked" "$work/source"
  fi
  export PYTHONPATH=$work/meson/usr/lib/python3/dist-packages
  if [[ ! -f $work/build/build.ninja ]]; then
    progress "mesa: configuring"
    meson setup "$work/build" "$work/source" "${options[@]}" >>"$log" 2>&1 || {
      tail -n 20 "$log" >&2
      fail "configuring Mesa failed; the whole log is $log"
    }
  fi
  progress "mesa: compiling (10 to 15 minutes on two cores)"
  run_with_status "$log" nice ninja -j"$(nproc)" -C "$work/build"
  meson install -C "$work/build" --no-rebuild --strip --destdir "$out" \
    >>"$log" 2>&1
  rm -rf "$out/usr/include" "$out/usr/lib/pkgconfig"
  cp "$work/version" "$out/version"
  rm -rf "$work"
}

# cross_file: what meson needs to know to build for another architecture.
cross_file() {
  local libraries=$sysroot/usr/lib/$triplet
  cat <<CROSS
[binaries]
c = ['$triplet-gcc', '--sysroot=$sysroot']
cpp = ['$triplet-g++', '--sysroot=$sysroot']
ar = '$triplet-gcc-ar'
strip = '$triplet-strip'
pkg-config = 'pkg-config'
[properties]
sys_root = '$sysroot'
pkg_config_libdir = ['$libraries/pkgconfig', '$sysroot/usr/share/pkgconfig']
[host_machine]
system = 'linux'
cpu_family = '$arch'
cpu = '$arch'
endian = 'little'
CROSS
}

ensure_step mesa
use_sysroot
prepare_apt
mapfile -t versions < <(candidates)
((${#versions[@]})) ||
  fail "needs the Debian source package mesa >= $minimum_version in one of:" \
    "${suites[*]}"
meson_version=$(package_version meson bookworm-backports)
[[ -n $meson_version ]] || fail "the Debian archive has no meson in bookworm-backports"
# Neither comments nor newer libraries change the key: a build takes long.
inputs=("$(declare -f build_mesa)" "${options[*]}" "${versions[*]}"
  "$meson_version" "$("$triplet-gcc" -dumpfullversion)")
name=mesa
if [[ -n $sysroot ]]; then
  name=mesa-$arch
  inputs+=("$(declare -f cross_file)")
  # It stays: a build that goes on reads it again.
  cross_file >"$cache_dir/.$name.ini.$$"
  mv "$cache_dir/.$name.ini.$$" "$cache_dir/$name.ini"
  options+=(--cross-file="$cache_dir/$name.ini")
fi
key=$(content_key "${inputs[@]}")
work=$cache_dir/work-$name-$key
entry=$(cached "$name" "$key" build_mesa)
printf 'MESA=%s\nMESA_VERSION=%s\n' "$entry" "$(cat "$entry/version")"
