#!/bin/bash
# The GPU's process is killed under a running guest: the guest sees a device that
# needs a reset and does not start again, goes on and powers off by itself; nacre
# says what became of the process.

nacre=$PWD/$1
guest=$PWD/$2

cd "$TEST_TMPDIR" || exit 1
if [[ ! -w /dev/kvm ]]; then
  echo 'SKIP: no /dev/kvm'
  # Where Bazel finds none it writes that this passed.
  printf '<testsuite><testcase name="%s"><skipped/></testcase></testsuite>\n' \
    lost_gpu_test >"$XML_OUTPUT_FILE"
  exit 0
fi

# fail WORDS...
fail() {
  echo "FAIL $*"
  tail -n 20 errors
  exit 1
}

# The process whose parent is PID.
child_of() {
  awk -v parent="$1" '$1 == "Pid:" { pid = $2 }
    $1 == "PPid:" && $2 == parent { print pid }' /proc/[0-9]*/status 2>/dev/null
}

: >console
# Whoever starts nacre may ignore SIGCHLD, and an exec keeps that.
env --ignore-signal=CHLD \
  "$nacre" --kernel="$guest" --cmdline='loses=1' --memory-mib=64 \
  --gpu-window-mib=16 --gpu-jail=best-effort --summary=summary.json \
  </dev/null >console 2>errors &
vmm=$!
# Once its device serves it.
until grep -q '!' console; do
  kill -0 "$vmm" 2>/dev/null || fail 'it ended before'
  sleep 0.1
done
gpu=$(child_of "$vmm")
[[ -n $gpu ]] || fail 'there is no process of the GPU'
kill -KILL "$gpu"
wait "$vmm"
code=$?
((code == 0)) || fail "exit code $code: the guest did not see what it should"
grep -q 'signal 9 (Killed)' summary.json || fail 'the summary does not say why'
grep -q 'the guest goes on without a GPU' errors || fail 'nor does the log'
