#!/usr/bin/env bash
# Runs a program as a guest's, but on this machine and without a VM: a library
# (tools/preload) is the guest's kernel with its virtio_gpu driver, and has our
# virtio-gpu device and the simulated Adreno behind real virtqueues. With the
# unmodified Mesa of guest/mesa.sh and its virtio backend.
#   tools/guest.sh PROGRAM ARGUMENT...
# The rest as tools/native.sh says, whose sister this is.

# shellcheck source=tools/with_gpu.sh
source "$(dirname "${BASH_SOURCE[0]}")/with_gpu.sh"

with_gpu libnacre_virtgpu.so "$@"
