#!/usr/bin/env bash
# Runs every Bazel test in the given configurations ("default", or a --config
# of .bazelrc), with progress, and prints what failed.
#
#   tools/run_bazel_tests.sh RESULTS CONFIG...
#
# Appends a line "PASS name" or "FAIL name" per test case to the file RESULTS.
# Exit code 0 unless something could not be built or run.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Each test case of a configuration, from the test.xml files that Bazel keeps.
collect() {
  local config=$1 logs=$2
  python3 - "$config" "$logs" <<'PYTHON'
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

config, logs = sys.argv[1], pathlib.Path(sys.argv[2])
for log in sorted(logs.rglob("test.xml")):
    target = log.parent.relative_to(logs)
    for case in ElementTree.parse(log).getroot().iter("testcase"):
        bad = case.find("failure") is not None or case.find("error") is not None
        skipped = case.find("skipped") is not None
        verdict = "FAIL" if bad else "SKIP" if skipped else "PASS"
        print(verdict, f"{config}: //{target}", case.get("name"))
PYTHON
}

results=$1
shift
status=0
for config in "$@"; do
  options=()
  [[ $config == default ]] || options=("--config=$config")
  progress "building and testing, configuration $config"
  # Old logs would be counted as this run's.
  logs=$(cd "$root_dir" && /usr/bin/bazel info "${options[@]}" bazel-testlogs \
    2>/dev/null)
  rm -rf "$logs"
  code=0
  run_bazel test "${options[@]}" --keep_going //... >&2 || code=$?
  # 3: built, and some tests failed; the counts say which.
  if ((code != 0 && code != 3)); then
    printf 'FAIL %s: bazel test ended with code %d\n' "$config" "$code" \
      >>"$results"
    status=1
  fi
  cases=$(collect "$config" "$(readlink -f "$logs")")
  printf '%s\n' "$cases" >>"$results"
  # What a sanitizer finds when the process ends is after its test.xml, and a
  # test that timed out has none.
  if ((code == 3)) && ! grep -q '^FAIL ' <<<"$cases"; then
    printf 'FAIL %s: a test failed outside its test cases\n' "$config" \
      >>"$results"
  fi
done
exit "$status"
