#!/bin/sh
# Boots one guest after the other and keeps what each said: for guest/boot_test.sh,
# in the payload's folder, perhaps in the outer machine (busybox's sh).
#   run_guests.sh COMMAND_LINE NAME...
# Each NAME is a file of the same folder with the flags for nacre, one a line;
# a line `cmdline WORDS` adds to COMMAND_LINE. Leaves NAME.json (the summary),
# NAME.log (the console) and NAME.code (the exit code) in $OUT.

command_line=$1
shift
for name in "$@"; do
  set --
  words=
  while read -r line; do
    case $line in
      "cmdline "*) words="$words ${line#cmdline }" ;;
      ?*) set -- "$@" "$line" ;;
    esac
  done <"$name"
  echo "==> guest $name" >&2
  ./nacre --initrd=initrd --summary="$OUT/$name.json" \
    --cmdline="$command_line$words" "$@" >"$OUT/$name.log" 2>&1 </dev/null
  code=$?
  echo "$code" >"$OUT/$name.code"
  echo "==> guest $name ended with exit code $code" >&2
done
