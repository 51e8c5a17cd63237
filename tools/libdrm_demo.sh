#!/usr/bin/env bash
# The demo (demo.sh) on the way to a real GPU: nacre opens /dev/dri/renderD128 and
# makes ioctls through libdrm, as in production, and the msm preload answers them
# with the simulator.
#   tools/libdrm_demo.sh [--direct|--nested]
# Exit code: 0 if everything in the guest passed.

# shellcheck source=guest/host.sh
source "$(dirname "${BASH_SOURCE[0]}")/../guest/host.sh"

mode=''
case ${1-} in
  '') ;;
  --direct) mode=direct ;;
  --nested) mode=nested ;;
  *) fail "usage: libdrm_demo.sh [--direct|--nested]" ;;
esac
use_arch "$(uname -m)"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
payload=$scratch/payload
mkdir -p "$payload/lib" "$scratch/out"

progress "building nacre, with its libraries apart, and the preload"
# Nothing can be interposed in a static program.
bazel_options+=(--define=nacre_static=no)
build //nacre //tools/preload:libnacre_msm.so //guest/programs/...
cp "$built/nacre/nacre" "$payload/nacre"
cp "$built/tools/preload/libnacre_msm.so" "$payload/lib"
# The outer machine has no libraries at all.
ldd "$payload/nacre" "$payload/lib/libnacre_msm.so" |
  sed -n 's/.*[[:space:]]\(\/[^ ]*\) (0x.*/\1/p' | sort -u |
  xargs cp --dereference --target-directory="$payload/lib"
loader=$(readelf --wide --program-headers "$payload/nacre" |
  sed -n 's/.*\[Requesting program interpreter: .*\/\(.*\)\]$/\1/p')

choose_machine "$payload/nacre" "$mode"
outer=()
[[ $machine == direct ]] || outer=(--outer)
progress "assembling the guest (Mesa takes minutes from nothing)"
assembled=$("$guest_dir/assemble.sh" "$arch" "${outer[@]}" \
  "$built"/guest/programs/{gles_frames,vulkan_submits})
cp "$(value KERNEL_IMAGE)" "$payload/kernel"
cp "$(value INITRD)" "$payload/initrd"

cat >"$payload/demo" <<DEMO
LD_PRELOAD=\$PWD/lib/libnacre_msm.so NACRE_SUMMARY="\$OUT/gpu" \\
  lib/$loader --library-path "\$PWD/lib" ./nacre --gpu=/dev/dri/renderD128 \\
  --gpu-jail=off \\
  --kernel=kernel --initrd=initrd --summary="\$OUT/summary" \\
  --cmdline="$guest_command_line nacre.test=demo"
DEMO
code=0
run_payload "$payload" "$scratch/out" 900 demo || code=$?
if ((code == 0)); then
  printf 'the simulated GPU behind the render node: '
  cat "$scratch/out/gpu"
  grep -q '"guest_reported": true' "$scratch/out/summary" || code=1
fi
((code == 0)) || progress "the demo failed, exit code $code"
exit "$code"
