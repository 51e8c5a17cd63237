#!/usr/bin/env bash
# Passes every test: unit tests (plain, under ASan+UBSan and under TSan, and for
# aarch64 under user emulation), the direction of knowledge, the format of the
# code, Mesa on the simulated GPU without a guest and with a guest's kernel in a
# library, and the guest boots of both architectures.
#
#   ./test.sh            everything
#   ./test.sh --unit     without the guest
#   ./test.sh --guest    the guest alone
#
# Installs the Debian packages it needs. Ends with "N passed, N failed"; exit
# code 0 only if none failed and some passed. Where the guest runs under emulation
# one that fails may be booted again: the line before says how many were, and a
# NOTE which and why.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/tools/lib.sh"

usage() {
  sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

unit=1 guest=1
case ${1-} in
  '') ;;
  --unit) guest=0 ;;
  --guest) unit=0 ;;
  --help) usage && exit 0 ;;
  *) fail "unknown option $1; it takes --unit, --guest or --help" ;;
esac

results=$(mktemp)
trap 'rm -f "$results"' EXIT

# check NAME COMMAND...: one test that is a command.
check() {
  local name=$1
  shift
  progress "$name"
  if "$@" >&2; then
    printf 'PASS %s\n' "$name" >>"$results"
  else
    printf 'FAIL %s\n' "$name" >>"$results"
  fi
}

# run_part NAME COMMAND...: one that adds results of its own; ending early is a
# failure too.
run_part() {
  local name=$1 code=0
  shift
  "$@" >&2 || code=$?
  ((code == 0)) ||
    printf 'FAIL %s: ended with code %d\n' "$name" "$code" >>"$results"
}

format_is_clean() {
  git -C "$root_dir" ls-files '*.cc' '*.h' |
    (cd "$root_dir" && xargs clang-format --dry-run --Werror)
}

layers_hold() {
  "$root_dir/tools/check_layers.sh"
}

cross=1
if [[ $(uname -m) == aarch64 ]]; then
  progress "this machine is an aarch64 one: leaving out what cross-compiles"
  cross=0
fi
ensure_step build test
if ((unit)); then
  configurations=(default asan tsan)
  if ((cross)); then
    run_part "arm64 libraries" "$root_dir/tools/sysroot.sh"
    configurations+=(aarch64)
  fi
  check "code is formatted" format_is_clean
  check "knowledge flows one way" layers_hold
  check "a guest's second try is told" "$root_dir/guest/retry_test.sh"
  run_part "unit tests" "$root_dir/tools/run_bazel_tests.sh" "$results" \
    "${configurations[@]}"
  check "an embedder builds and runs" "$root_dir/tools/embedder_test.sh"
  run_part "unit tests as nobody" "$root_dir/tools/unprivileged_test.sh" \
    "$results"
fi
if ((guest)); then
  run_part "native programs" "$root_dir/tools/native_test.sh" "$results"
  run_part "programs as a guest's" "$root_dir/tools/guest_test.sh" "$results"
  run_part "a frame's share" "$root_dir/tools/bench_test.sh" "$results"
  run_part "guest boots" "$root_dir/guest/boot_test.sh" "$results"
  ((!cross)) || run_part "aarch64 guest boots" \
    "$root_dir/guest/boot_test.sh" "$results" --arch=aarch64
fi

grep -E '^(FAIL|SKIP|NOTE) ' "$results" || true
passed=$(grep -c '^PASS ' "$results" || true)
failed=$(grep -c '^FAIL ' "$results" || true)
((!guest)) || printf '%d guests booted a second time\n' \
  "$(grep -c '^NOTE .* second try' "$results" || true)"
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
