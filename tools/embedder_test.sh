#!/usr/bin/env bash
# Builds every public target and examples/embedder, and runs that, as the workspace
# of somebody else: at another place, with this clone by its path, without its
# .bazelrc and without a network.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

nacre=$root_dir
scratch=$(mktemp -d)
# run_bazel's from here on.
root_dir=$scratch/embedder
clean_up() {
  (cd "$root_dir" && /usr/bin/bazel clean --expunge >"$scratch/log" 2>&1) ||
    cat "$scratch/log" >&2
  rm -rf "$scratch"
}
trap clean_up EXIT

cp -r "$nacre/examples/embedder" "$scratch/"
sed -i "s|path = \"../..\"|path = \"$nacre\"|" "$root_dir/WORKSPACE"
run_bazel build --experimental_repository_disable_download \
  --incompatible_strict_action_env //... @nacre//:all
for program in in_process jailed; do
  found=$("$root_dir/bazel-bin/$program")
  progress "$program: $found"
done
