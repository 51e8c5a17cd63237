#!/usr/bin/env bash
# Runs Mesa's own tests of freedreno that draw nothing, from the source of the
# Mesa that guest/mesa.sh built for this machine.
#   tools/mesa_tests.sh
# Prints `PASS NAME` or `FAIL NAME` for each, `SKIP NAME` for what this script
# does not know how to run, and a last line with the counts; exits with 1 unless
# all passed. A failed test's last output is on standard error.
#
# They are the tests that Mesa's build lists in its suite `freedreno`: surface
# layouts (fd5_layout, fd6_layout), the shader assembler and disassembler
# (ir3_disasm), instruction delays (ir3_delay_test), and the symbols that turnip
# exports (`tu symbols check`, here of the library that guests use). None opens a
# GPU, so they need neither a VM nor tools/native.sh. They test Mesa, not Nacre,
# and so are no part of test.sh. simulator/README.md says what they showed.
#
# The first run compiles them, with Mesa's assertions on (three minutes on two
# cores); later ones find them in the cache.
# shellcheck source=guest/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../guest/lib.sh"

(($# == 0)) || fail "takes no arguments"
use_architecture "$(uname -m)"

# The tests need turnip's half of Mesa only.
# shellcheck disable=SC2054  # the comma is meson's
options=(
  --wrap-mode=nofallback --auto-features=disabled
  -Dbuildtype=plain -Doptimization=0 -Ddebug=false -Db_ndebug=false
  -Dgallium-drivers= -Dvulkan-drivers=freedreno -Dfreedreno-kmds=msm,virtio
  -Dplatforms= -Dopengl=false -Dglx=disabled -Dbuild-tests=true
)

meson() {
  /usr/bin/python3 "$work/meson/usr/bin/meson" "$@"
}

# freedreno_tests: prints `PROGRAM<tab>NAME` for each test of the suite.
freedreno_tests() {
  meson introspect --tests "$work/build" | /usr/bin/python3 -c '
import json, sys
for test in json.load(sys.stdin):
    if any(suite.endswith(":freedreno") for suite in test["suite"]):
        print(test["cmd"][0], test["name"], sep="\t")'
}

# fetch_sources: Mesa's source and the meson that it needs, into $work.
fetch_sources() {
  rm -rf "${work:?}"/*
  progress "mesa tests: fetching the source of $version (45 MB)"
  (cd "$work" && private_apt apt-get -qq source --only-source --download-only \
    "mesa=$version") || {
    rm -f "$apt_dir/updated" # the lists may be older than the archive
    fail "cannot fetch Mesa's source $version"
  }
  dpkg-source --no-check -x "$work"/mesa_*.dsc "$work/unpacked" >"$work/log"
  dpkg-deb -x "$(download_package meson "$meson_version" "$work")" "$work/meson"
  mv "$work/unpacked" "$work/source"
}

# build_tests DIR: puts the test programs into DIR/programs, the names of tests
# that are none into DIR/others, and what the check of symbols reads beside them.
# An interrupted run is resumed: the work folder stays until all is done.
build_tests() {
  local out=$1 log=$work/log program name targets=()
  mkdir -p "$work" "$out/programs"
  [[ -d $work/source ]] || fetch_sources
  export PYTHONPATH=$work/meson/usr/lib/python3/dist-packages
  if [[ ! -f $work/build/build.ninja ]]; then
    progress "mesa tests: configuring"
    meson setup "$work/build" "$work/source" "${options[@]}" >>"$log" 2>&1 || {
      tail -n 20 "$log" >&2
      fail "configuring Mesa failed; the whole log is $log"
    }
  fi
  freedreno_tests >"$work/tests"
  while IFS=$'\t' read -r program name; do
    case $program in
      "$work/build"/*) targets+=("${program#"$work/build/"}") ;;
      *) printf '%s\n' "$name" ;;
    esac
  done <"$work/tests" >"$out/others"
  progress "mesa tests: compiling ${#targets[@]} programs (2 to 5 minutes)"
  nice ninja -j"$(nproc)" -C "$work/build" "${targets[@]}" >>"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    fail "building Mesa's tests failed; the whole log is $log"
  }
  for program in "${targets[@]}"; do
    cp "$work/build/$program" "$out/programs"
  done
  cp "$work/source/bin/symbols-check.py" \
    "$work/source/src/vulkan/vulkan-icd-symbols.txt" "$out"
  rm -rf "$work"
}

# check_symbols: Mesa's script over turnip as installed. That library is
# stripped, so that nm has to be told to read its dynamic symbols.
check_symbols() {
  printf '#!/bin/sh\nexec nm -D "$@"\n' >"$scratch/nm"
  chmod +x "$scratch/nm"
  /usr/bin/python3 "$tests/symbols-check.py" --nm "$scratch/nm" \
    --lib "$mesa/usr/lib/libvulkan_freedreno.so" \
    --symbols-file "$tests/vulkan-icd-symbols.txt"
}

# run NAME COMMAND...: one test; prints its line.
run() {
  local name=$1
  shift
  if "$@" >"$scratch/output" 2>&1; then
    passed+=("$name")
    printf 'PASS %s\n' "$name"
  else
    failed+=("$name")
    printf 'FAIL %s\n' "$name"
    tail -n 40 "$scratch/output" >&2
  fi
}

ensure_step mesa
ensure_packages libgtest-dev || fail "cannot go on without that package"
assembled=$("$guest_dir/mesa.sh" "$arch")
mesa=$(sed -n 's/^MESA=//p' <<<"$assembled")
version=$(sed -n 's/^MESA_VERSION=//p' <<<"$assembled")
prepare_apt
meson_version=$(package_version meson bookworm-backports)
[[ -n $meson_version ]] ||
  fail "the Debian archive has no meson in bookworm-backports"
key=$(content_key "$version" "${options[*]}" "$meson_version" \
  "$(declare -f build_tests)" "$(gcc -dumpfullversion)")
work=$cache_dir/work-mesa_tests-$key
tests=$(cached mesa_tests "$key" build_tests)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=() failed=() skipped=()
for program in "$tests"/programs/*; do
  run "${program##*/}" "$program"
done
while IFS= read -r name; do
  case $name in
    'tu symbols check') run "$name" check_symbols ;;
    *)
      skipped+=("$name")
      printf 'SKIP %s\n' "$name"
      ;;
  esac
done <"$tests/others"
printf 'Mesa %s: %d passed, %d failed, %d skipped\n' "$version" \
  "${#passed[@]}" "${#failed[@]}" "${#skipped[@]}"
((${#failed[@]} == 0 && ${#skipped[@]} == 0))
