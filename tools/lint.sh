#!/usr/bin/env bash
# Runs clang-tidy (.clang-tidy) over C++ files; its findings are errors.
#
#   tools/lint.sh              files that differ from main, or are new
#   tools/lint.sh --all        every file
#   tools/lint.sh FILE...      these

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ensure_step build test lint
# What only aarch64 compiles is checked as for that.
others=()
if [[ $(uname -m) != aarch64 ]]; then
  "$tools_dir/sysroot.sh" >/dev/null
  others=(-- --config=aarch64)
fi
cd "$root_dir"
# Examples are workspaces of their own.
sources=('*.cc' ':!examples')
case ${1-} in
  --all) mapfile -t files < <(git ls-files "${sources[@]}") ;;
  '') mapfile -t files < <({
    git diff --name-only main -- "${sources[@]}"
    git ls-files --others --exclude-standard "${sources[@]}"
  } | sort -u) ;;
  *) files=("$@") ;;
esac
((${#files[@]})) || { progress "nothing to lint" && exit 0; }

progress "building, so that generated headers exist"
run_bazel build --config=clang --keep_going //... >&2
tools/compile_commands.py --config=clang "${others[@]}" >&2
progress "clang-tidy on ${#files[@]} files"
printf '%s\n' "${files[@]}" |
  xargs --max-procs="$(nproc)" --max-args=1 clang-tidy --quiet -p .
