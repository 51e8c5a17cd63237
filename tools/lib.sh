# shellcheck shell=bash
# What demo.sh, test.sh and the tools share: messages, packages, the cache and
# Bazel. To be sourced; sets the shell's options.

set -euo pipefail
shopt -s inherit_errexit

tools_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root_dir=$(dirname "$tools_dir")
# shellcheck source=tools/packages.sh
source "$tools_dir/packages.sh"

# Everything that is slow to make is kept here, outside the clone, under keys
# made of its content.
cache_dir=${NACRE_CACHE:-${XDG_CACHE_HOME:-~/.cache}/nacre}

# keep_entry NAME KEY: the cache's entry NAME-KEY was asked for today; others of
# its name that nobody has asked for in a month go.
keep_entry() {
  touch "$cache_dir/$1-$2"
  find "$cache_dir" -maxdepth 1 -name "$1-????????????????" -mtime +30 \
    -exec rm -rf {} +
}

progress() { printf '==> %s\n' "$*" >&2; }

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# ensure_step STEP...: the packages that packages.txt lists for them.
ensure_step() {
  local packages
  packages=$(listed_packages "$@")
  # shellcheck disable=SC2086  # one word a package
  ensure_packages $packages || fail "cannot go on without those packages"
}

# bazel_disk_cache: prints the folder for Bazel's action cache. Bazel does not
# see the headers in /usr/include: the versions of what provides them are part
# of the key instead.
bazel_disk_cache() {
  local packages key
  packages=$(listed_packages build test)
  # shellcheck disable=SC2086
  # Those that are not installed have no part in it.
  key=$({ dpkg-query -W -f='${Package} ${Version}\n' $packages libc6-dev \
    linux-libc-dev 2>/dev/null || true; } | sha256sum | cut -c1-16)
  mkdir -p "$cache_dir/bazel-$key"
  keep_entry bazel "$key"
  printf '%s\n' "$cache_dir/bazel-$key"
}

# run_bazel COMMAND ARGUMENT...: Bazel in the clone, with the disk cache. For
# --config=aarch64, tools/sysroot.sh has to have run.
run_bazel() {
  local command=$1 options=()
  shift
  # Named by its real path, so that a server that runs already sees a new one.
  [[ ! -d $cache_dir/sysroot-aarch64 ]] ||
    options=("--repo_env=NACRE_AARCH64_SYSROOT=$(
      readlink -f "$cache_dir/sysroot-aarch64")")
  (cd "$root_dir" && /usr/bin/bazel "$command" \
    --disk_cache="$(bazel_disk_cache)" --color=no --curses=no \
    --show_progress_rate_limit=5 "${options[@]}" "$@")
}
