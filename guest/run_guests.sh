#!/bin/sh
# Boots one guest after the other and keeps what each said: for guest/boot_test.sh,
# in the payload's folder, perhaps in the outer machine (busybox's sh).
#   run_guests.sh SECONDS COMMAND_LINE NAME...
# A guest that takes longer than SECONDS is stopped.
# Each NAME is a file of the same folder with the flags for nacre, one a line;
# a line `cmdline WORDS` adds to COMMAND_LINE, a line `code N` says which exit
# code is right (0). Leaves NAME.json (the summary), NAME.log (the console) and
# NAME.code (the exit code) in $OUT.
# $JAIL is the gpu.jail of each.
# With RETRY=1, one that ended wrongly gets a second chance, for emulated hardware
# virtualization is not above suspicion: guests of several vCPUs crashed in it now
# and then, and on a loaded machine one may be too slow. NAME.retried then says how
# the first attempt ended.

seconds=$1
command_line=$2
shift 2
# boot NAME FLAG...: one attempt; sets code.
boot() {
  name=$1
  shift
  echo "==> guest $name" >&2
  start=$(date +%s)
  timeout "$seconds" ./nacre --summary="$OUT/$name.json" \
    --gpu-jail="$JAIL" --cmdline="$command_line$words" "$@" \
    >"$OUT/$name.log" 2>&1 </dev/null
  code=$?
  echo "==> guest $name: exit code $code after $(($(date +%s) - start))s" >&2
}

# emulation_may_have_done_it CODE: whether it may have made nacre end so (nacre
# --help; 143 is `timeout`'s). It makes no guest succeed, no flag wrong, and no
# signal end nacre.
emulation_may_have_done_it() {
  case $1 in
    1 | 3 | 4 | 5 | 143) true ;;
    *) false ;;
  esac
}

# how_it_ended NAME: in a line; after boot.
how_it_ended() {
  outcome=$(sed -n 's/^ *"outcome": *"\(.*\)",*$/\1/p' "$OUT/$1.json" 2>/dev/null)
  failure=$(grep -m 1 'nacre-guest: FAIL ' "$OUT/$1.log" | tr -d '\r')
  echo "exit code $code${outcome:+, $outcome}${failure:+, $failure}"
}

for name in "$@"; do
  set --
  words=
  wanted=0
  while read -r line; do
    case $line in
      "cmdline "*) words="$words ${line#cmdline }" ;;
      "code "*) wanted=${line#code } ;;
      ?*) set -- "$@" "$line" ;;
    esac
  done <"$name"
  boot "$name" "$@"
  if [ "$code" != "$wanted" ] && [ "${RETRY-}" = 1 ] &&
    emulation_may_have_done_it "$code"; then
    how_it_ended "$name" >"$OUT/$name.retried"
    tail -n 40 "$OUT/$name.log" >&2
    echo "==> guest $name: trying once more" >&2
    boot "$name" "$@"
  fi
  echo "$code" >"$OUT/$name.code"
done
