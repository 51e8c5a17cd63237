#!/usr/bin/env bash
# Runs the unit tests that skip themselves as root, since it may do everything, as a
# user with no rights. Where this is no root's, `bazel test` has run them already.
#   tools/unprivileged_test.sh RESULTS
# Appends a line "PASS name", FAIL or SKIP per test case to the file RESULTS.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

(($# == 1)) || fail "usage: unprivileged_test.sh RESULTS"
results=$1
if ((EUID != 0)); then
  progress "not root: the unit tests have run as a user with no rights"
  exit 0
fi

labels=(//nacre/jail:jail_test //devices/virtio_gpu/msm:libdrm_device_test)
cases=(ThreadsTest.AreNotWithoutEnd
  LibdrmDeviceTest.ANodeWithoutPermissionSaysWhatToDo)

# That user, called nobody, cannot enter the folders of root's builds; this one is
# where anybody can.
scratch=$(mktemp -d -p /tmp)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
mkdir "$scratch/out"
chown 65534:65534 "$scratch/out"
as_nobody() {
  (cd "$scratch" && setpriv --reuid=65534 --regid=65534 --clear-groups \
    env -i PATH="$PATH" TMPDIR="$scratch/out" OUT="$scratch/out" "$@" >&2)
}

run_bazel build "${labels[@]}" >&2
built=$(cd "$root_dir" && /usr/bin/bazel info bazel-bin 2>/dev/null)
for label in "${labels[@]}"; do
  file=${label#//}
  file=${file/://}
  # With its libraries, which it finds relative to where it is.
  cp -RL "$built/$file.runfiles/nacre/." "$scratch/programs"
  ln -s "programs/$file" "$scratch/${label#*:}"
done
cp "$root_dir/guest/run_tests.sh" "$scratch/"
chmod -R a+rX "$scratch"

# One of the cases needs namespaces, which not every system gives nobody.
if ! as_nobody unshare --user --map-root-user --mount --pid --net true; then
  printf 'SKIP unprivileged tests: %s: this system gives no namespaces\n' \
    "${cases[0]}" >>"$results"
  labels=("${labels[@]:1}") cases=("${cases[@]:1}")
fi
# A case that does not run, or is skipped, is a failure of its program.
as_nobody GTEST_FILTER="$(IFS=: && echo "${cases[*]}")" \
  sh ./run_tests.sh 60 "${labels[@]#*:}" || progress "the run ended early"
"$root_dir/guest/check_tests.py" unprivileged "$scratch/out" \
  "${labels[@]#*:}" >>"$results"
