#!/bin/sh
# Runs unit tests where KVM is: for guest/boot_test.sh, in the payload's folder, in
# the outer machine (busybox's sh).
#   NACRE=PROGRAM run_tests.sh SECONDS NAME...
# Each NAME is a GoogleTest program of the same folder, some of which start PROGRAM;
# one that takes longer than SECONDS is stopped. Leaves NAME.xml (its results) and
# NAME.code (the exit code) in $OUT.

seconds=$1
shift
for name in "$@"; do
  echo "==> test $name" >&2
  timeout "$seconds" "./$name" --gtest_brief=1 --gtest_color=no \
    --gtest_output="xml:$OUT/$name.xml" >&2
  code=$?
  echo "==> test $name ended with exit code $code" >&2
  echo "$code" >"$OUT/$name.code"
done
