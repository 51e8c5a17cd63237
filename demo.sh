#!/usr/bin/env bash
# Boots a stock Debian kernel in our VMM and shows unmodified Mesa at work in
# it: freedreno (GLES) and turnip (Vulkan) through the msm native context, on
# the simulated Adreno or a real one.
#
#   ./demo.sh                      the demo; installs and builds what it needs
#   ./demo.sh --arch=aarch64       an arm64 guest; on an x86-64 machine all of it
#                                  runs in an outer machine that QEMU emulates
#   ./demo.sh --gpu=sim:a630       on another GPU (see nacre --help)
#   ./demo.sh --frames=N           frames and submits to do (default 60)
#   ./demo.sh --shell              a shell in the guest instead
#   ./demo.sh --direct, --nested   on this machine's KVM, or in an outer machine
#                                  that QEMU emulates; a probe chooses otherwise
#
# Exit code: 0 if everything in the guest passed.

# shellcheck source=guest/host.sh
source "$(dirname "${BASH_SOURCE[0]}")/guest/host.sh"

arch=$(uname -m) gpu=sim:a660 frames=60 mode='' test=demo seconds=900
for argument in "$@"; do
  case $argument in
    --arch=*) arch=${argument#*=} ;;
    --gpu=*) gpu=${argument#*=} ;;
    --frames=*) frames=${argument#*=} ;;
    --direct) mode=direct ;;
    --nested) mode=nested ;;
    --shell) test=console seconds=86400 ;;
    --help) sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 0 ;;
    *) fail "unknown option $argument; --help lists them" ;;
  esac
done
[[ $frames =~ ^[1-9][0-9]*$ ]] || fail "--frames=$frames: it must be a number"
use_arch "$arch"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/payload" "$scratch/out"

prepare_payload "$scratch/payload" "$mode"
cat >"$scratch/payload/demo" <<DEMO
./nacre --gpu=$(printf %q "$gpu") --kernel=kernel --initrd=initrd --summary="\$OUT/summary" \\
  --cmdline="$guest_command_line nacre.test=$test nacre.frames=$frames nacre.submits=$frames"
DEMO
code=0
run_payload "$scratch/payload" "$scratch/out" "$seconds" demo || code=$?
if ((code == 0)) && ! grep -q '"guest_reported": true' "$scratch/out/summary"; then
  progress "the guest powered off without saying how it went"
  code=1
fi
if ((code == 0)); then
  progress "the demo passed"
else
  progress "the demo failed, exit code $code"
fi
exit "$code"
