#!/usr/bin/env bash
# Runs a program natively: on this machine, without a VM, on the simulated Adreno
# (tools/preload) with the unmodified Mesa of guest/mesa.sh and its msm backend.
#   tools/native.sh PROGRAM ARGUMENT...
#   NACRE_SIM=a630 NACRE_SUMMARY=gpu.json tools/native.sh //guest/programs:gles_frames
#   env $(tools/native.sh) PROGRAM ARGUMENT...
# PROGRAM is a path, a command, or a target of ours, which is built first. Without
# one it prints the environment that such programs need, a VARIABLE=VALUE a line,
# for scripts that run many. tools/preload/README.md lists the NACRE_* variables.
# tools/guest.sh runs the same as a guest.

# shellcheck source=tools/with_gpu.sh
source "$(dirname "${BASH_SOURCE[0]}")/with_gpu.sh"

with_gpu libnacre_msm.so "$@"
