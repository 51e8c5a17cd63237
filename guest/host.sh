# shellcheck shell=bash
# Building what a guest run needs, and running it where KVM is real: on this
# machine, or in the outer machine. Sourced by demo.sh and boot_test.sh.

guest_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/lib.sh
source "$guest_dir/../tools/lib.sh"

# What every guest's kernel is told. lpj, tsc and mitigations spare a machine
# under emulation some calibration and work; they do no harm on a real one.
guest_command_line="console=ttyS0 quiet panic=-1 mitigations=off nokaslr"
guest_command_line+=" tsc=reliable lpj=4000000 cryptomgr.notests"

# value NAME: of the KEY=VALUE lines of guest/assemble.sh.
value() { sed -n "s/^$1=//p" <<<"$assembled"; }

# prepare_payload PAYLOAD [direct|nested]: builds the VMM and the guest, chooses
# where to run it (`machine`: as asked, else by a probe), and fills the folder
# PAYLOAD with what a run needs: nacre, bzImage, vmlinux, initrd.
prepare_payload() {
  local payload=$1 wanted=${2-} built outer=()
  progress "building nacre and the guest's programs (minutes from nothing)"
  run_bazel build //nacre //guest/programs/... >&2
  built=$(cd "$root_dir" && /usr/bin/bazel info bazel-bin 2>/dev/null)
  cp -f "$built/nacre/nacre" "$payload/nacre"
  choose_machine "$payload/nacre" "$wanted"
  [[ $machine == direct ]] || outer=(--outer)
  progress "assembling the guest (Mesa takes minutes from nothing)"
  assembled=$("$guest_dir/assemble.sh" "${outer[@]}" \
    "$built"/guest/programs/{gles_frames,vulkan_submits})
  cp -f "$(value KERNEL_BZIMAGE)" "$payload/bzImage"
  cp -f "$(value KERNEL_VMLINUX)" "$payload/vmlinux"
  cp -f "$(value INITRD)" "$payload/initrd"
}

# choose_machine NACRE [direct|nested]: sets `machine` and says so.
choose_machine() {
  local nacre=$1 wanted=${2-} found
  if [[ -n $wanted ]]; then
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
# foreground, for the script may read a terminal. The outer machine has one CPU:
# with more, guests of several vCPUs crashed in it now and then.
run_payload() {
  local payload=$1 out=$2 seconds=$3
  shift 3
  if [[ $machine == direct ]]; then
    (cd "$payload" && OUT=$out timeout --foreground "$seconds" sh "$@")
  else
    "$guest_dir/nested.sh" --kernel "$(value OUTER_KERNEL_VMLINUX)" \
      --initrd "$(value OUTER_INITRD)" --payload "$payload" --out "$out" \
      --timeout "$seconds" --cpus 1 -- env OUT=/out RETRY=1 sh "$@"
  fi
}
