#!/bin/bash
# What a user sees who gives nacre something wrong: exit code 2, one line that
# says what is wrong and what would be right, and nothing left behind.

# Built for another machine, it runs in an emulator (bazel/toolchain), which has
# no namespaces and no filters.
nacre=(${NACRE_EMULATOR:+"$NACRE_EMULATOR"} "$PWD/$1")
no_jail=(${NACRE_EMULATOR:+--gpu-jail=off})
failures=0

# expect WORDS ARGUMENT...: nacre with the arguments complains with all WORDS
# (separated by |) in one line.
expect() {
  local words=$1 output code word
  shift
  [[ $* == *--gpu-jail=* ]] || set -- "${no_jail[@]}" "$@"
  output=$("${nacre[@]}" "$@" 2>&1 >/dev/null)
  code=$?
  local complaint="nacre $*: exit code $code, output: $output"
  ((code == 2)) || { echo "FAIL $complaint: code is not 2" && ((++failures)); }
  [[ $(wc -l <<<"$output") == 1 && $output == nacre:* ]] ||
    { echo "FAIL $complaint: not one line" && ((++failures)); }
  while IFS= read -r -d '|' word; do
    [[ $output == *"$word"* ]] ||
      { echo "FAIL $complaint: lacks '$word'" && ((++failures)); }
  done <<<"$words|"
}

cd "$TEST_TMPDIR" || exit 1
head -c 65536 /dev/zero >zeroes
cat >overlap.textproto <<'CONFIG'
boot { kernel: "zeroes" }
memory_region { guest_address: 0 size: 0x8000000 }
memory_region { guest_address: 0x100000 size: 0x1000 }
CONFIG

cat >unaligned.textproto <<'CONFIG'
boot { kernel: "zeroes" }
memory_region { guest_address: 0x800 size: 0x8000000 }
CONFIG

expect 'no kernel|--kernel'
expect '--kernle|--help' --kernle=x
# The kernel is looked at once there is a KVM for it; an emulator has none.
if [[ -z ${NACRE_EMULATOR-} && -r /dev/kvm && -w /dev/kvm ]]; then
  expect '/nowhere/kernel' --kernel=/nowhere/kernel
  expect 'zeroes|Image' --kernel=zeroes
fi
expect 'vcpus|1 to 64' --kernel=zeroes --vcpus=0
expect 'overlaps|0x8000000' --config=overlap.textproto
expect "unaligned|$(getconf PAGESIZE)" --config=unaligned.textproto
expect '/nowhere/vm.textproto' --config=/nowhere/vm.textproto
expect 'directory' --config=.
expect 'a999|a630|a660|a730' --kernel=zeroes --gpu=sim:a999
expect 'a660|sim:CHIP' --kernel=zeroes --gpu=a660
expect '/nowhere/renderD128' --kernel=zeroes --gpu=/nowhere/renderD128
expect '/dev/null|DRM' --kernel=zeroes --gpu=/dev/null
expect 'gpu.jail|best-effort' --kernel=zeroes --gpu-jail=on
expect 'power of two' --kernel=zeroes --gpu-window-mib=3
expect 'gpu.window_mib|32768' --kernel=zeroes --gpu-window-mib=65536
expect 'submission_us|499999' --kernel=zeroes --gpu-submission-us=500000
expect 'megabytes_per_second|1000000' --kernel=zeroes \
  --gpu-megabytes-per-second=0
expect 'sim:a660' --kernel=zeroes --gpu=none --gpu-submission-us=5

expect '/nowhere/summary' --kernel=zeroes --summary=/nowhere/summary

# A limit of file sizes is complained of, too: guest memory is a file.
if [[ -z ${NACRE_EMULATOR-} ]]; then
  output=$(ulimit -f 1024 && "${nacre[@]}" --kernel=zeroes 2>&1)
  code=$?
  [[ $code == 4 && $output == nacre:*'too large' ]] ||
    { echo "FAIL limited: exit code $code, output: $output" && ((++failures)); }
fi

# Started by a program that does not want to hear of the ends of others: nacre
# does, of its GPU's, which ends by itself here.
nacre=(env --ignore-signal=CHLD "${nacre[@]}")
expect 'a999' --kernel=zeroes --gpu=sim:a999

((failures == 0)) && echo PASS
exit $((failures != 0))
