# shellcheck shell=bash
# What native.sh and guest.sh share: running programs of this machine with one of
# the libraries of tools/preload and the unmodified Mesa of guest/mesa.sh. To be
# sourced.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# value NAME TEXT: of the KEY=VALUE lines in TEXT.
value() { sed -n "s/^$1=//p" <<<"$2"; }

# with_gpu LIBRARY [PROGRAM ARGUMENT...]: becomes the program, or prints the
# environment that makes one see the library's GPU.
with_gpu() {
  local library=$1 program=${2-}
  local targets=("//tools/preload:$library")
  [[ $program != //* ]] || targets+=("$program")
  # The Vulkan loader is the one package of the guest's that programs run on
  # here.
  ensure_step build
  ensure_packages libvulkan1 || fail "cannot go on without that package"
  local assembled mesa
  assembled=$("$root_dir/guest/mesa.sh" "$(uname -m)")
  mesa=$(value MESA "$assembled")/usr
  progress "building ${targets[*]}"
  run_bazel build "${targets[@]}" >&2
  local built
  built=$(cd "$root_dir" && /usr/bin/bazel info bazel-bin 2>/dev/null)

  # The Vulkan loader is told by a manifest, which has the path in the guest.
  local manifest here
  manifest=$(echo "$mesa"/share/vulkan/icd.d/*.json)
  here=$cache_dir/native-$(basename "$(dirname "$mesa")").json
  sed "s|\"/usr/lib/|\"$mesa/lib/|" "$manifest" >"$here.$$"
  mv "$here.$$" "$here"

  # Both names of the variable: the loaders of bookworm and of older systems.
  local environment=(
    "LD_PRELOAD=$built/tools/preload/$library"
    "LD_LIBRARY_PATH=$mesa/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    "LIBGL_DRIVERS_PATH=$mesa/lib"
    "EGL_PLATFORM=surfaceless"
    "VK_DRIVER_FILES=$here"
    "VK_ICD_FILENAMES=$here"
  )
  if [[ -z $program ]]; then
    printf '%s\n' "${environment[@]}"
    return
  fi
  if [[ $program == //* ]]; then
    local label=${program#//}
    program=$built/${label/://}
  fi
  exec env "${environment[@]}" "$program" "${@:3}"
}
