#!/usr/bin/env bash
# Asks Bazel's graph whether knowledge flows one way only (ARCHITECTURE.md):
# each layer's targets, tests included, may depend on the packages named for it
# and on no other of ours. Prints a line per layer; fails if one is broken.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

base='//base/...'
vmm="$base + //vmm/..."
virtio="$vmm + //devices/virtio/..."
gpu="$virtio + //devices/virtio_gpu/... - //devices/virtio_gpu/msm/..."
msm="$virtio + //devices/virtio_gpu/..."

# layer NAME TARGETS ALLOWED
layers=(
  "base|//base/...|$base"
  "vmm|//vmm/...|$vmm"
  "devices/virtio|//devices/virtio/...|$virtio"
  "devices/virtio_gpu|//devices/virtio_gpu/... - //devices/virtio_gpu/msm/...|$gpu"
  "devices/virtio_gpu/msm|//devices/virtio_gpu/msm/...|$msm"
  "simulator|//simulator/...|$base + //simulator/... + //devices/virtio_gpu/msm:drm_device + //devices/virtio_gpu/msm:uapi"
)
# What everybody may use.
common='//bazel/... + //third_party/...'

broken=0
for layer in "${layers[@]}"; do
  IFS='|' read -r name targets allowed <<<"$layer"
  # Rules and sources of ours alone; a folder may hold sources of others' use.
  strays=$(cd "$root_dir" && /usr/bin/bazel query --noshow_progress \
    --ui_event_filters=-info \
    "kind(rule, (deps($targets) intersect //...)) except ($allowed + $common)")
  if [[ -z $strays ]]; then
    printf 'PASS layers: %s\n' "$name"
  else
    broken=1
    printf 'FAIL layers: %s must not depend on %s\n' "$name" \
      "$(tr '\n' ' ' <<<"$strays")"
  fi
done
exit "$broken"
