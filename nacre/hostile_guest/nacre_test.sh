#!/bin/bash
# The hostile guest under nacre itself, the GPU's device in a process of its own:
# the guest ends as a guest does and reports success, and the summary tells of
# attacks and of nothing that is left.

nacre=$PWD/$1
guest=$PWD/$2
failures=0

# value NAME: of a number in the summary.
value() {
  sed -n "s/.*\"$1\": *\"\{0,1\}\([0-9]*\).*/\1/p" summary.json | head -n 1
}

# expect CONDITION WORDS...: notes a failure.
expect() {
  (($1)) || { echo "FAIL ${*:2} ($1)" && ((++failures)); }
}

cd "$TEST_TMPDIR" || exit 1
if [[ ! -w /dev/kvm ]]; then
  echo 'SKIP: no /dev/kvm'
  # Where Bazel finds none it writes that this passed.
  printf '<testsuite><testcase name="%s"><skipped/></testcase></testsuite>\n' \
    nacre_test >"$XML_OUTPUT_FILE"
  exit 0
fi
"$nacre" --kernel="$guest" --cmdline='seed=7 rounds=1' --vcpus=2 \
  --memory-mib=64 --gpu-window-mib=16 --gpu-jail=best-effort \
  --summary=summary.json </dev/null >output 2>&1
code=$?
if ((code != 0)); then
  echo "FAIL exit code $code"
  tail -n 20 output
  exit 1
fi
for name in contexts resources fences mapped_bytes gem_objects; do
  expect "$(value "${name}_now") == 0" "$name are left"
done
expect "$(value fds_before) == $(value fds_after)" 'descriptors are left'
expect "$(value contexts_created) > 0" 'it made no context'
expect "$(value kicks) > 1000" 'it did not kick'
exit $((failures > 0))
