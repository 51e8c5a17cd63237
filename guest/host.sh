# shellcheck shell=bash
# Building what a guest run needs, and running it where KVM is real: on this
# machine, or in the outer machine. Sourced by demo.sh and boot_test.sh, which
# call use_arch before anything else.

guest_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/lib.sh
source "$guest_dir/../tools/lib.sh"

# use_arch ARCH: chooses the guest's architecture: sets `arch`, `cross` (whether
# it is another than this machine's), `bazel_options`, and `guest_command_line`,
# which every guest's kernel is told.
use_arch() {
  arch=$1 cross=false bazel_options=()
  # Without calibration and mitigations a machine under emulation has less to
  # do; on a real one it does no harm.
  guest_command_line="console=ttyS0 quiet panic=-1 mitigations=off nokaslr"
  guest_command_line+=" cryptomgr.notests"
  case $arch in
    x86_64) guest_command_line+=" tsc=reliable lpj=4000000" ;;
    aarch64) ;;
    *) fail "there is no architecture '$arch': it is x86_64 or aarch64" ;;
  esac
  if [[ $arch != "$(uname -m)" ]]; then
    [[ $arch == aarch64 ]] ||
      fail "an $arch guest needs an $arch machine: only aarch64 is built for" \
        "on other machines than its own, and this one is $(uname -m)"
    cross=true
    bazel_options=("--config=$arch")
  fi
}

# value NAME: of the KEY=VALUE lines of guest/assemble.sh.
value() { sed -n "s/^$1=//p" <<<"$assembled"; }

# build TARGET...: builds them for `arch` and sets `built`, the folder they are
# in.
build() {
  if $cross; then
    ensure_step build cross
    "$tools_dir/sysroot.sh" >/dev/null
  else
    ensure_step build
  fi
  run_bazel build "${bazel_options[@]}" "$@" >&2
  built=$(cd "$root_dir" && /usr/bin/bazel info "${bazel_options[@]}" bazel-bin \
    2>/dev/null)
}

# prepare_payload PAYLOAD [direct|nested]: builds the VMM and the guest, chooses
# where to run it (`machine`: as asked, else by a probe), and fills the folder
# PAYLOAD with what a run needs: nacre, kernel, initrd; on x86_64 bzImage too.
prepare_payload() {
  local payload=$1 wanted=${2-} outer=()
  if $cross && [[ $wanted == direct ]]; then
    fail "--direct: KVM on this machine ($(uname -m)) runs no $arch guest"
  fi
  progress "building nacre and the guest's programs for $arch (minutes from" \
    "nothing)"
  build //nacre //guest/programs/...
  cp -f "$built/nacre/nacre" "$payload/nacre"
  choose_machine "$payload/nacre" "$wanted"
  [[ $machine == direct ]] || outer=(--outer)
  progress "assembling the $arch guest (Mesa takes minutes from nothing)"
  assembled=$("$guest_dir/assemble.sh" "$arch" "${outer[@]}" \
    "$built"/guest/programs/{gles_frames,vulkan_submits} \
    "$built"/guest/programs/{gles_hang,vulkan_fault,vulkan_hang} \
    "$built"/guest/programs/pictures/{gles,vulkan}_pictures \
    "$built"/guest/programs/bench/{gles,vulkan}_bench)
  cp -f "$(value KERNEL_IMAGE)" "$payload/kernel"
  [[ $arch != x86_64 ]] || cp -f "$(value KERNEL_BZIMAGE)" "$payload/bzImage"
  cp -f "$(value INITRD)" "$payload/initrd"
}

# choose_machine NACRE [direct|nested]: sets `machine` and says so.
choose_machine() {
  local nacre=$1 wanted=${2-} found
  if $cross; then
    machine=nested
    progress "running the guest in an $arch machine, which QEMU emulates"
  elif [[ -n $wanted ]]; then
    machine=$wanted
    progress "running the guest $machine, as asked"
  elif found=$("$nacre" --probe); then
    machine=direct
    progress "$found: running the guest on this machine"
  else
    machine=nested
    progress "$found: running the guest in an outer machine, which QEMU" \
      "emulates"
  fi
}

# run_payload PAYLOAD OUT SECONDS SCRIPT ARGUMENT...: runs PAYLOAD/SCRIPT, a
# script for busybox's sh, in the payload's folder, with the folder for its
# output in OUT. Exit code: the script's, or one of guest/nested.sh's. In the
# foreground, for the script may read a terminal. The outer machine has
# `outer_cpus` CPUs; one if that is not set: with more, Linux guests of several
# vCPUs crashed in it now and then.
run_payload() {
  local payload=$1 out=$2 seconds=$3
  shift 3
  if [[ $machine == direct ]]; then
    (cd "$payload" && OUT=$out timeout --foreground "$seconds" sh "$@")
  else
    "$guest_dir/nested.sh" --arch "$arch" \
      --kernel "$(value OUTER_KERNEL_IMAGE)" \
      --initrd "$(value OUTER_INITRD)" --payload "$payload" --out "$out" \
      --timeout "$seconds" --cpus "${outer_cpus-1}" \
      -- env OUT=/out RETRY=1 sh "$@"
  fi
}
