#!/usr/bin/env bash
# Runs a test program with the msm preload:
#   preloaded_test.sh LIBRARY PROGRAM
# Both are paths in the runfiles.
LD_PRELOAD=$PWD/$1 exec "$PWD/$2" "${@:3}"
