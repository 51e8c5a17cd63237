#!/usr/bin/env bash
# Boots the guests below, all in one outer machine where there is no hardware
# virtualization, and checks what each said and what the VMM counted.
#
#   guest/boot_test.sh RESULTS [--direct|--nested]
#
# Appends a line "PASS name" or "FAIL name: why" per check to the file RESULTS.

# shellcheck source=guest/host.sh
source "$(dirname "${BASH_SOURCE[0]}")/host.sh"

(($# == 1 || $# == 2)) || fail "usage: boot_test.sh RESULTS [--direct|--nested]"
results=$1
mode=${2-}
readonly seconds_a_guest=90

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
payload=$scratch/payload out=$scratch/out
mkdir "$payload" "$out"

# guest NAME LINE...: see run_guests.sh.
guests=()
guest() {
  guests+=("$1")
  printf '%s\n' "${@:2}" >"$payload/$1"
}

guest demo --kernel=vmlinux --gpu=sim:a660 \
  'cmdline nacre.test=demo nacre.frames=60 nacre.submits=60'
guest demo-a630-bzimage --kernel=bzImage --gpu=sim:a630 \
  'cmdline nacre.test=demo nacre.frames=5 nacre.submits=5'
guest demo-a730-one-vcpu --kernel=vmlinux --gpu=sim:a730 --vcpus=1 \
  'cmdline nacre.test=demo nacre.frames=5 nacre.submits=5'
guest reload --kernel=vmlinux \
  'cmdline nacre.test=reload nacre.frames=5 nacre.submits=5'
guest reboot --kernel=vmlinux 'cmdline nacre.test=reboot nacre.frames=5'
# Its own failure has to reach us.
guest failing 'code 1' --kernel=vmlinux 'cmdline nacre.test=there-is-no-such-test'

ensure_tool_packages build
prepare_payload "$payload" "${mode#--}"
cp "$guest_dir/run_guests.sh" "$payload/"
code=0
run_payload "$payload" "$out" $((seconds_a_guest * (${#guests[@]} + 2))) \
  run_guests.sh "$seconds_a_guest" "$guest_command_line" "${guests[@]}" ||
  code=$?
((code == 0)) || printf 'FAIL guests: run_guests.sh ended with code %d\n' \
  "$code" >>"$results"
"$guest_dir/check_guests.py" "$out" "${guests[@]}" >>"$results"
