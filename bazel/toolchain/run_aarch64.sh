#!/usr/bin/env bash
# What `bazel test --config=aarch64` runs a test with: qemu's user emulation for
# a program, nothing for a script. A script runs programs with $NACRE_EMULATOR.

export NACRE_EMULATOR=/usr/bin/qemu-aarch64-static
if [[ $(uname -m) == aarch64 ]]; then
  NACRE_EMULATOR=
fi
if [[ $(head -c 2 "$1") == '#!' ]]; then
  exec "$@"
fi
# shellcheck disable=SC2086  # none, or one word
exec $NACRE_EMULATOR "$@"
