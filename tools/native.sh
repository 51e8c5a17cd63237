#!/usr/bin/env bash
# Runs a program natively: on this machine, without a VM, on the simulated Adreno
# (tools/preload) with the unmodified Mesa of guest/mesa.sh and its msm backend.
#   tools/native.sh PROGRAM ARGUMENT...
#   NACRE_SIM=a630 NACRE_SUMMARY=gpu.json tools/native.sh //guest/programs:gles_frames
#   env $(tools/native.sh) PROGRAM ARGUMENT...
# PROGRAM is a path, a command, or a target of ours, which is built first. Without
# one it prints the environment that such programs need, a VARIABLE=VALUE a line,
# for scripts that run many. tools/preload/README.md lists the NACRE_* variables.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# value NAME TEXT: of the KEY=VALUE lines in TEXT.
value() { sed -n "s/^$1=//p" <<<"$2"; }

program=${1-}
targets=(//tools/preload:libnacre_msm.so)
[[ $program != //* ]] || targets+=("$program")
# The Vulkan loader is the one package of the guest's that programs run on here.
ensure_tool_packages build
ensure_packages libvulkan1 || fail "cannot go on without that package"
assembled=$("$root_dir/guest/mesa.sh" "$(uname -m)")
mesa=$(value MESA "$assembled")/usr
progress "building ${targets[*]}"
run_bazel build "${targets[@]}" >&2
built=$(cd "$root_dir" && /usr/bin/bazel info bazel-bin 2>/dev/null)

# The Vulkan loader is told by a manifest, which has the path in the guest.
manifest=$(echo "$mesa"/share/vulkan/icd.d/*.json)
native_manifest=$cache_dir/native-$(basename "$(dirname "$mesa")").json
sed "s|\"/usr/lib/|\"$mesa/lib/|" "$manifest" >"$native_manifest.$$"
mv "$native_manifest.$$" "$native_manifest"

# Both names of the variable: the loaders of bookworm and of older systems.
environment=(
  "LD_PRELOAD=$built/tools/preload/libnacre_msm.so"
  "LD_LIBRARY_PATH=$mesa/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  "LIBGL_DRIVERS_PATH=$mesa/lib"
  "EGL_PLATFORM=surfaceless"
  "VK_DRIVER_FILES=$native_manifest"
  "VK_ICD_FILENAMES=$native_manifest"
)
if (($# == 0)); then
  printf '%s\n' "${environment[@]}"
  exit
fi
if [[ $program == //* ]]; then
  label=${program#//}
  program=$built/${label/://}
fi
exec env "${environment[@]}" "$program" "${@:2}"
