#!/usr/bin/env bash
# Boots the guests below, all in one outer machine where there is no hardware
# virtualization, and checks what each said and what the VMM counted. The pictures
# of guest/programs/pictures are made natively first: guests have to match them.
# Guests of another architecture come with the unit tests of that architecture's
# KVM instead and of the jail on its kernel, for which `bazel test` has no machine,
# and with the hostile guest.
#
#   guest/boot_test.sh RESULTS [--arch=x86_64|aarch64] [--direct|--nested]
#
# Appends a line "PASS name" or "FAIL name: why" per check to the file RESULTS, and
# a line "NOTE name: ..." for a guest that was booted twice.

# shellcheck source=guest/host.sh
source "$(dirname "${BASH_SOURCE[0]}")/host.sh"

usage() {
  fail "usage: boot_test.sh RESULTS [--arch=x86_64|aarch64] [--direct|--nested]"
}

(($#)) || usage
results=$1 arch=$(uname -m) mode=''
for argument in "${@:2}"; do
  case $argument in
    --arch=*) arch=${argument#*=} ;;
    --direct | --nested) mode=${argument#--} ;;
    *) usage ;;
  esac
done
use_arch "$arch"
readonly seconds_a_guest=90 seconds_a_test=120

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
payload=$scratch/payload out=$scratch/out
mkdir "$payload" "$out"

# bare_guest NAME LINE...: see run_guests.sh. guest NAME LINE...: a Linux.
guests=()
bare_guest() {
  guests+=("$1")
  printf '%s\n' "${@:2}" >"$payload/$1"
}
guest() { bare_guest "$@" --initrd=initrd; }

guest demo --kernel=kernel --gpu=sim:a660 \
  'cmdline nacre.test=demo nacre.frames=60 nacre.submits=60'
# Another form of the kernel, where there is one.
image=kernel
[[ $arch != x86_64 ]] || image=bzImage
guest "demo-a630-$image" --kernel="$image" --gpu=sim:a630 \
  'cmdline nacre.test=demo nacre.frames=5 nacre.submits=5'
guest demo-a730-one-vcpu --kernel=kernel --gpu=sim:a730 --vcpus=1 \
  'cmdline nacre.test=demo nacre.frames=5 nacre.submits=5'
guest reload --kernel=kernel \
  'cmdline nacre.test=reload nacre.frames=5 nacre.submits=5'
guest reboot --kernel=kernel 'cmdline nacre.test=reboot nacre.frames=5'
# What they draw is compared with what the same programs draw natively, on this
# machine: aarch64's pixels have to be x86-64's.
chips=(a630 a660 a730)
! $cross || chips=(a660)
for chip in "${chips[@]}"; do
  guest "pictures-$chip" --kernel=kernel --gpu="sim:$chip" \
    'cmdline nacre.test=pictures'
done
"$tools_dir/pictures.sh" --out="$out/native" "${chips[@]}" >&2 ||
  printf 'FAIL pictures, native: the run ended early\n' >>"$results"
if ! $cross; then
  "$tools_dir/check_pictures.py" "$out/native" "${chips[@]}" >>"$results"
  # What a frame costs the VMM: the same frames in other numbers.
  for frames in 20 80; do
    for bench in submits:vulkan_bench,--submits=8 misses:vulkan_bench,--fresh=2 \
      misses-gles:gles_bench,--fresh=1; do
      guest "bench-${bench%%:*}-$frames" --kernel=kernel \
        "cmdline nacre.test=bench nacre.bench=${bench#*:} nacre.frames=$frames"
    done
  done
fi
# So slow that the GPU is taken for hung over a large picture.
guest hang --kernel=kernel --gpu-megabytes-per-second=20 --vcpus=1 \
  'cmdline nacre.test=hang nacre.frames=3 nacre.submits=3'
# Its own failure has to reach us.
guest failing 'code 1' --kernel=kernel 'cmdline nacre.test=there-is-no-such-test'

# machine_tests: prints the labels of the unit tests that need a real kernel of
# the architecture: for its KVM, but one, and for its system call filter.
machine_tests() {
  run_bazel query --output=label "attr(tags, requires-kvm, tests(//... except
    //vmm/x86_64/... except //nacre/hostile_guest/...)) except
    attr(target_compatible_with, x86_64, //...) union
    //nacre/jail:jail_test union //nacre:gpu_ioctls_test union
    //nacre:jailed_gpu_test union //nacre:jailed_gpu_attempts_test"
}

# Each test is a file that is named for its label.
tests=() hostile_test=nacre.hostile_guest.hostile_guest_test
if $cross; then
  labels=$(machine_tests)
  readarray -t labels <<<"$labels"
  progress "building the tests of KVM and of the jail for $arch"
  build "${labels[@]}" //nacre/hostile_guest:hostile_guest{,_test}
  mkdir "$scratch/hostile"
  cp "$built/nacre/hostile_guest/hostile_guest_test" \
    "$scratch/hostile/$hostile_test"
  cp "$guest_dir/run_tests.sh" "$built/nacre/hostile_guest/hostile_guest" \
    "$scratch/hostile/"
  cp "$built/nacre/hostile_guest/hostile_guest" "$payload/"
  bare_guest hostile --kernel=hostile_guest --memory-mib=64 \
    --gpu-window-mib=16 'cmdline seed=7 rounds=1'
  for label in "${labels[@]}"; do
    file=${label#//}
    file=${file/://}
    tests+=("${file//\//.}")
    cp "$built/$file" "$payload/${tests[-1]}"
  done
fi
prepare_payload "$payload" "$mode"
cp "$guest_dir"/run_{guests,tests}.sh "$payload/"
# The whole jail, or no guest; but for this machine, whose own it may not be.
jail=required
if [[ $machine == direct ]] &&
  ! unshare --user --map-root-user --mount --pid --net true 2>/dev/null; then
  jail=best-effort
  progress "this machine gives no namespaces: the jail is what is left of it"
fi
# Both lists are of words without spaces or anything that a shell would expand.
cat >"$payload/run" <<RUN
NACRE=./nacre sh run_tests.sh $seconds_a_test ${tests[*]}
JAIL=$jail sh run_guests.sh $seconds_a_guest "$guest_command_line" ${guests[*]}
RUN
code=0
run_payload "$payload" "$out" \
  $((seconds_a_test * ${#tests[@]} + seconds_a_guest * (${#guests[@]} + 2))) \
  run || code=$?
((code == 0)) || printf 'FAIL %s guests: the run ended with code %d\n' \
  "$arch" "$code" >>"$results"
if $cross; then
  # Each of its vCPUs and the device have to run at once for it to race.
  code=0
  outer_cpus=3 run_payload "$scratch/hostile" "$out" \
    $((2 * seconds_a_test)) run_tests.sh $((3 * seconds_a_test / 2)) \
    "$hostile_test" || code=$?
  ((code == 0)) || printf 'FAIL %s hostile guest: the run ended with code %d\n' \
    "$arch" "$code" >>"$results"
  tests+=("$hostile_test")
fi
"$guest_dir/check_tests.py" "$arch" "$out" "${tests[@]}" >>"$results"
"$guest_dir/check_guests.py" "$arch" "$out" "${guests[@]}" >>"$results"
