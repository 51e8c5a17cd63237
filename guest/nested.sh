#!/usr/bin/env bash
# Runs a command where /dev/kvm is real KVM, on a machine without hardware
# virtualization: QEMU emulates an AMD processor with SVM, or an arm64 one with
# EL2, on which a stock Debian kernel boots as the outer machine.
#   guest/nested.sh [--arch ARCH] --kernel FILE --initrd FILE --payload DIR
#                   [--out DIR] [--timeout S] [--memory MIB] [--cpus N]
#                   -- COMMAND...
# ARCH is x86_64 or aarch64, and this machine's if not given. The kernel and the initrd are
# OUTER_KERNEL_IMAGE and OUTER_INITRD of assemble.sh. COMMAND runs in a read-only
# copy of the payload folder, on busybox, so its programs are static; what it
# writes to /out is in --out afterwards (256 MiB at most). Its console is our
# standard output, and ours its input if that is a terminal. Exit code:
# COMMAND's, or
#   123 COMMAND did not end, though the outer machine did
#   124 COMMAND was not done within --timeout seconds (600)
#   125 the outer machine did not boot, twice
# shellcheck source=guest/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly out_size=256M
# It takes 2 to 6 s; much more on a loaded machine.
readonly boot_timeout=90

usage() {
  fail "${1:+$1; }usage: nested.sh [--arch ARCH] --kernel FILE --initrd FILE" \
    "--payload DIR [--out DIR] [--timeout S] [--memory MIB] [--cpus N]" \
    "-- COMMAND..."
}

arch=$(uname -m)
kernel='' initrd='' payload='' out='' timeout=600 memory=3072 cpus=2
while (($#)) && [[ $1 != -- ]]; do
  (($# >= 2)) || usage "$1 lacks its value"
  case $1 in
    --arch) arch=$2 ;;
    --kernel) kernel=$2 ;;
    --initrd) initrd=$2 ;;
    --payload) payload=$2 ;;
    --out) out=$2 ;;
    --timeout) timeout=$2 ;;
    --memory) memory=$2 ;;
    --cpus) cpus=$2 ;;
    *) usage "unknown flag $1" ;;
  esac
  shift 2
done
(($# >= 2)) || usage "no COMMAND"
shift
[[ -f $kernel ]] || usage "--kernel $kernel: no such file"
[[ -f $initrd ]] || usage "--initrd $initrd: no such file"
[[ -d $payload ]] || usage "--payload $payload: no such folder"
[[ $timeout$memory$cpus =~ ^[0-9]+$ ]] || usage "a number is wrong"

# The emulated machines. Of the processors with hardware virtualization these
# are the ones with which both kernels boot fast.
case $arch in
  x86_64)
    # shellcheck disable=SC2054  # the comma is QEMU's
    # check=off keeps QEMU from listing what it does not emulate of an EPYC.
    emulator=(qemu-system-x86_64 -M q35 -cpu EPYC,check=off)
    command_line="console=ttyS0 no_timer_check tsc=reliable"
    ;;
  aarch64)
    emulator=(qemu-system-aarch64 -M "virt,virtualization=on,gic-version=3"
      -cpu cortex-a72)
    command_line="console=ttyAMA0"
    ;;
  *) usage "--arch $arch: no such architecture" ;;
esac
command_line+=" quiet mitigations=off nokaslr panic=-1"

# make_payload_disk IMAGE COMMAND...: an ext4 of the payload, without root.
make_payload_disk() {
  local image=$1 kib
  shift
  # The command goes in beside the payload, in a form that a shell reads back.
  printf '%q ' "$@" >"$scratch/command"
  kib=$(du -skL "$payload" | cut -f1)
  mke2fs -q -t ext4 -O ^has_journal -m 0 -E root_owner=0:0 -d "$payload" \
    "$image" $((kib + kib / 16 + 8192))k >/dev/null
  debugfs -w -R "write $scratch/command .command" "$image" &>/dev/null
}

# The outer machine's marks on the second disk (guest/outer/init).
booted() { cmp -s -n 5 "$scratch/out" <(echo ready); }
handed_over() { tar -tf "$scratch/out" ./.exit-code &>/dev/null; }

stop_qemu() {
  kill "$qemu" 2>/dev/null || true
  wait "$qemu" 2>/dev/null || true
}

start_qemu() {
  "${emulator[@]}" -accel tcg,thread=multi,tb-size=256 \
    -smp "$cpus" -m "$memory" -nodefaults -no-user-config -display none \
    -no-reboot -serial stdio -kernel "$kernel" -initrd "$initrd" \
    -append "$command_line" \
    -drive "file=$scratch/payload,format=raw,if=none,id=payload,readonly=on" \
    -device virtio-blk-pci,drive=payload \
    -drive "file=$scratch/out,format=raw,if=none,id=out,cache=unsafe" \
    -device virtio-blk-pci,drive=out <&3 &
  qemu=$!
}

# run_outer: boots, runs the command, and returns 0 if it ended, or one of the
# exit codes above.
run_outer() {
  local start=$SECONDS up=false
  rm -f "$scratch/out"
  truncate -s "$out_size" "$scratch/out"
  start_qemu
  while kill -0 "$qemu" 2>/dev/null; do
    sleep 0.2
    if ! $up && { booted || handed_over; }; then up=true; fi
    if ! $up && ((SECONDS - start >= boot_timeout)); then
      stop_qemu
      return 125
    fi
    if ((SECONDS - start >= timeout)); then
      stop_qemu
      return 124
    fi
  done
  wait "$qemu" || true
  if handed_over; then return 0; fi
  if $up || booted; then return 123; fi
  return 125
}

ensure_step outer "outer-$arch"
scratch=$(mktemp -d)
qemu=
trap '[[ -z $qemu ]] || stop_qemu; rm -rf "$scratch"' EXIT
# Only a terminal is the outer machine's input: a background job of ours must
# not read anything else.
if [[ -t 0 ]]; then exec 3<&0; else exec 3</dev/null; fi

progress "making the outer machine's disk"
make_payload_disk "$scratch/payload" "$@"
progress "booting the outer machine (QEMU, emulated; takes 2 to 10 s)"
code=0
run_outer || code=$?
if ((code == 125)); then
  progress "the outer machine did not boot; trying once more"
  code=0
  run_outer || code=$?
fi
case $code in
  123) progress "the outer machine ended before the command did" ;;
  124) progress "stopped: the command was not done within ${timeout}s" ;;
  125) progress "the outer machine did not boot" ;;
esac
((code == 0)) || exit "$code"
# The outer machine's clock need not be ours.
tar -xf "$scratch/out" --touch -C "$scratch" ./.exit-code
if [[ -n $out ]]; then
  mkdir -p "$out"
  tar -xf "$scratch/out" --touch -C "$out" --exclude ./.exit-code
fi
exit "$(cat "$scratch/.exit-code")"
