#!/usr/bin/env bash
# Tests what run_guests.sh and check_guests.py do about a guest that ends wrongly at
# its first try, with a VMM that only ends as it is told.

# shellcheck source=guest/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cat >"$scratch/nacre" <<'NACRE'
#!/bin/sh
for argument in "$@"; do
  case $argument in --summary=*) summary=${argument#*=} ;; esac
done
read -r code <codes
sed -i 1d codes
cat >"$summary" <<SUMMARY
{
 "outcome": "outcome $code",
 "guest_status": 1,
 "first_instruction_us": "1",
 "own_memory_kib": "1",
 "exits": {}
}
SUMMARY
echo "nacre-guest: FAIL all"
exit "$code"
NACRE
chmod +x "$scratch/nacre"
echo 'code 1' >"$scratch/failing"

# verdicts RETRY CODE...: what is said of a guest that should end with code 1, and
# ends with one of these at each try.
verdicts() {
  rm -rf "$scratch/out"
  mkdir "$scratch/out"
  printf '%s\n' "${@:2}" >"$scratch/codes"
  (cd "$scratch" && OUT=$scratch/out JAIL=off RETRY=$1 \
    sh "$guest_dir/run_guests.sh" 10 '' failing) 2>/dev/null
  "$guest_dir/check_guests.py" x86_64 "$scratch/out" failing 2>/dev/null
}

code=0
# expect WHAT FOUND FAILURES NOTE: FOUND are verdicts.
expect() {
  local failures notes
  failures=$(grep -c '^FAIL ' <<<"$2" || true)
  notes=$(sed -n 's/^NOTE x86_64 guest failing: //p' <<<"$2")
  [[ $failures == "$3" && $notes == "$4" ]] || {
    printf '%s: should be %s failures and "%s", is:\n%s\n' "$1" "$3" "$4" "$2"
    code=1
  }
}

why='exit code 3, outcome 3, nacre-guest: FAIL all'
expect "right at once" "$(verdicts 1 1)" 0 ''
expect "crashed, then right" "$(verdicts 1 3 1)" 0 \
  "passed at the second try, after $why"
expect "crashed twice" "$(verdicts 1 3 3)" 1 \
  "failed at the second try, after $why"
expect "no emulation, no second try" "$(verdicts '' 3 1)" 1 ''
# The VMM's own crash, a wrong flag, and a failure that was not reported.
for wrong in 134 2 0; do
  expect "exit code $wrong is no emulation's" "$(verdicts 1 "$wrong" 1)" 1 ''
done
exit "$code"
